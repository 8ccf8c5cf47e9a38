#include "train/cli/block_gradcheck_cases.h"

#include <algorithm>
#include <cmath>

#include "core/autograd/grad_mode.h"
#include "core/ops/arithmetic.h"
#include "core/random.h"
#include "models/blocks.h"
#include "nn/nn.h"

namespace resgrad {
namespace {

constexpr double kKinkMargin = 1e-4;  // a step of 1e-6 moves no ReLU input that far

struct Setup {
  Shape x = {2, 3, 5, 4};
  std::int64_t c_out = 4;
  bool training = true;
  MemoryFormat format = MemoryFormat::contiguous;
};

struct Sample {
  ModulePtr block;
  Tensor x;
};

Tensor uniform(const Shape& shape, Random& random, double low, double high,
               MemoryFormat format = MemoryFormat::contiguous) {
  return Tensor::rand(shape, random, low, high, DType::float64, format);
}

// Norms that do more than normalise: scales and running variances in [0.5, 1.5], shifts and
// running means in [-0.5, 0.5]; convolutions in +-1 / sqrt(fan in).
void randomise(Module& block, Random& random) {
  const NoGradGuard no_grad;
  for (NamedTensor& t : block.state_dict()) {
    if (!is_floating(t.tensor.dtype())) continue;
    const Shape& shape = t.tensor.shape();
    if (shape.size() > 1) {
      const double bound = 1 / std::sqrt(static_cast<double>(init::fan_in(t.tensor)));
      t.tensor.copy_(uniform(shape, random, -bound, bound));
    } else {
      const double middle = t.name.ends_with("weight") || t.name.ends_with("var") ? 1 : 0;
      t.tensor.copy_(uniform(shape, random, middle - 0.5, middle + 0.5));
    }
  }
}

double smallest_magnitude(const Tensor& t) {
  double smallest = INFINITY;
  for (double v : t.to_vector<double>()) smallest = std::min(smallest, std::abs(v));
  return smallest;
}

class KinkObserver final : public CallObserver {
 public:
  void enter(const Module& module, const Tensor& x) override {
    if (dynamic_cast<const ReLU*>(&module) != nullptr) {
      distance = std::min(distance, smallest_magnitude(x));
    }
  }
  void leave(const Module&, const Tensor&) override {}

  double distance = INFINITY;
};

// How far the inputs of all ReLUs are from 0, that after the addition included.
double distance_to_kinks(const Sample& sample) {
  const NoGradGuard no_grad;
  KinkObserver kinks;
  const auto& children =
      sample.block->children();  // preact where it is shared, main_path, shortcut
  const std::size_t first = children.size() - 2;
  const Tensor x = first == 1 ? (*children[0].second)(sample.x) : sample.x;
  const Tensor sum = (*children[first].second)(x) + (*children[first + 1].second)(x);
  return std::min(kinks.distance, smallest_magnitude(sum));
}

// The first random weights and input that keep off the kinks.
template <class Block>
Sample make_sample(const Setup& setup, const typename Block::Options& options) {
  for (std::uint64_t seed = 0; seed < 1000; ++seed) {
    Random random(seed, Purpose::test, 3);
    const init::InitScope scope(0, /*skip=*/true);
    Sample sample{std::make_shared<Block>(setup.x[1], setup.c_out, options),
                  uniform(setup.x, random, -1, 1, setup.format)};
    sample.block->to(DType::float64);
    randomise(*sample.block, random);
    sample.block->set_training(setup.training);
    if (distance_to_kinks(sample) > kKinkMargin) return sample;
  }
  throw StateError("gradcheck: found no input away from the kinks of the block");
}

// Lets the parameters of `block` be the tensors from inputs[1] on: same data, same gradient.
void bind_parameters(Module& block, const std::vector<Tensor>& inputs) {
  std::vector<NamedTensor> parameters = block.named_parameters();
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    parameters[i].tensor.set_data(inputs[i + 1]);
    parameters[i].tensor.impl()->grad_fn = inputs[i + 1].grad_fn();
  }
}

GradcheckResult check_block(const Sample& sample, const GradcheckOptions& options) {
  std::vector<Tensor> inputs{sample.x};
  for (const NamedTensor& p : sample.block->named_parameters()) inputs.push_back(p.tensor);
  return gradcheck(
      [&sample](const std::vector<Tensor>& tensors) {
        bind_parameters(*sample.block, tensors);
        return (*sample.block)(tensors[0]);
      },
      inputs, options);
}

ModulePtr conv_and_norm(std::int64_t c_in, std::int64_t c_out, std::int64_t stride) {
  return std::make_shared<Sequential>(std::initializer_list<ModulePtr>{
      std::make_shared<Conv2d>(c_in, c_out, 1, Conv2dLayerOptions{.stride = stride, .bias = false}),
      std::make_shared<BatchNorm2d>(c_out)});
}

/// How a case gets its own shortcut.
enum class Downsample { none, conv_and_norm, zero_pad };

template <class Block>
void add(std::vector<GradcheckCase>& cases, const std::string& op, const std::string& detail,
         const Setup& setup, const typename Block::Options& options,
         Downsample downsample = Downsample::none) {
  for (const Activation activation : {Activation::post, Activation::pre}) {
    if (options.activated_shortcut && activation == Activation::post) continue;
    auto run = [=](const GradcheckOptions& gradcheck_options) {
      auto own = options;
      own.activation = activation;
      if (downsample == Downsample::conv_and_norm) {
        own.downsample = conv_and_norm(setup.x[1], setup.c_out, own.stride);
      } else if (downsample == Downsample::zero_pad) {
        own.downsample = std::make_shared<ZeroPadShortcut>(setup.x[1], setup.c_out, own.stride);
      }
      return check_block(make_sample<Block>(setup, own), gradcheck_options);
    };
    cases.push_back({fmt::format("{} {} {}", op, name(activation), detail), op, std::move(run)});
  }
}

template <class Block>
void add_block(std::vector<GradcheckCase>& cases, const std::string& op) {
  const auto both = [&](const std::string& detail, const Setup& setup,
                        const typename Block::Options& options,
                        Downsample downsample = Downsample::none) {
    add<Block>(cases, op, detail, setup, options, downsample);
  };
  constexpr MemoryFormat kChannelsLast = MemoryFormat::channels_last;
  both("basic", {}, {.bottleneck_ratio = 1});
  both("basic identity channels_last", {.x = {2, 4, 3, 5}, .format = kChannelsLast},
       {.bottleneck_ratio = 1});
  both("basic stride 2", {.x = {2, 3, 5, 7}}, {.stride = 2, .bottleneck_ratio = 1});
  both("basic stride 3 batch 1", {.x = {1, 3, 7, 8}}, {.stride = 3, .bottleneck_ratio = 1});
  both("basic evaluation", {.training = false}, {.bottleneck_ratio = 1});
  both("bottleneck", {.c_out = 6}, {.bottleneck_ratio = 2});
  both("bottleneck identity batch 1", {.x = {1, 4, 5, 3}}, {.bottleneck_ratio = 2});
  both("bottleneck stride 2 groups 2 channels_last",
       {.x = {2, 3, 5, 7}, .c_out = 8, .format = kChannelsLast},
       {.stride = 2, .groups = 2, .bottleneck_ratio = 2});
  both("bottleneck stride 3 groups 4", {.x = {2, 5, 7, 8}, .c_out = 16},
       {.stride = 3, .groups = 4, .bottleneck_ratio = 4});
  both("bottleneck stride in first", {.x = {2, 3, 5, 5}},
       {.stride = 2, .bottleneck_ratio = 2, .stride_in_first = true});
  both("bottleneck mid_channels 6 groups 3", {},
       {.groups = 3, .bottleneck_ratio = 1, .mid_channels = 6});
  both("bottleneck groups 2 evaluation channels_last",
       {.c_out = 8, .training = false, .format = kChannelsLast},
       {.groups = 2, .bottleneck_ratio = 2});
  both("bottleneck stride 2 activated shortcut", {.x = {2, 3, 5, 7}, .c_out = 8},
       {.stride = 2, .groups = 2, .bottleneck_ratio = 2, .activated_shortcut = true});
  both("basic stride 2 downsample conv + norm", {.x = {3, 3, 5, 5}},
       {.stride = 2, .bottleneck_ratio = 1}, Downsample::conv_and_norm);
  both("bottleneck stride 2 downsample zero pad", {.x = {2, 3, 5, 5}, .c_out = 8},
       {.stride = 2, .groups = 2, .bottleneck_ratio = 2}, Downsample::zero_pad);
}

}  // namespace

std::vector<GradcheckCase> block_gradcheck_cases() {
  std::vector<GradcheckCase> cases;
  add_block<ResNetBlock>(cases, "ResNetBlock");
  add_block<ResNeXtBlock>(cases, "ResNeXtBlock");
  return cases;
}

}  // namespace resgrad
