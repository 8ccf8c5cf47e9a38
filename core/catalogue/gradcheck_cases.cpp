#include "core/catalogue/gradcheck_cases.h"

#include <cmath>
#include <utility>

#include "core/kernels/conv2d.h"
#include "core/ops/arithmetic.h"
#include "core/ops/batch_norm.h"
#include "core/ops/conv2d.h"
#include "core/ops/cross_entropy.h"
#include "core/ops/dropout.h"
#include "core/ops/fused/batch_norm_relu.h"
#include "core/ops/fused/batch_norm_relu_conv2d.h"
#include "core/ops/matmul.h"
#include "core/ops/pool.h"
#include "core/ops/reduce.h"
#include "core/ops/relu.h"
#include "core/ops/shaping.h"
#include "core/ops/shortcut.h"
#include "core/ops/stochastic_depth.h"
#include "core/random.h"

namespace resgrad {
namespace {

using Tensors = std::vector<Tensor>;
using Function = std::function<Tensor(const Tensors&)>;
constexpr MemoryFormat kContiguous = MemoryFormat::contiguous;
constexpr MemoryFormat kChannelsLast = MemoryFormat::channels_last;

// ---- inputs: the seed is the same everywhere, sizes make them differ ----------------------------

Tensor uniform(const Shape& shape, double low = -1, double high = 1,
               MemoryFormat format = kContiguous, std::uint64_t seed = 0) {
  Random random(seed, Purpose::test, 1);
  return Tensor::rand(shape, random, low, high, DType::float64, format);
}

// Uniform in [-1, -0.1] and [0.1, 1]: far from the kink of relu and from division by zero.
Tensor off_zero(const Shape& shape, MemoryFormat format = kContiguous, std::uint64_t seed = 0) {
  Tensor t = uniform(shape, -1, 1, format, seed);
  double* values = t.data<double>();
  for (std::int64_t i = 0; i < t.numel(); ++i) {
    values[i] = std::copysign(0.1 + 0.9 * std::abs(values[i]), values[i]);
  }
  return t;
}

// A random order of multiples of 1/8: no ties, no maximum that changes within h.
Tensor distinct(const Shape& shape, MemoryFormat format = kContiguous) {
  Random random(0, Purpose::test, 2);
  Tensor t = Tensor::empty(shape, DType::float64, format);
  double* values = t.data<double>();
  for (std::int64_t i : random.permutation(t.numel())) *values++ = static_cast<double>(i) / 8;
  return t;
}

Tensor labels(const std::vector<std::int64_t>& values) {
  return Tensor::from(values, {static_cast<std::int64_t>(values.size())});
}

// ---- the list -----------------------------------------------------------------------------------

class Catalogue {
 public:
  void add(std::string op, const std::string& detail, Function f, Tensors inputs) {
    std::string name = detail.empty() ? op : op + " " + detail;
    cases_.push_back(
        {std::move(name), std::move(op),
         [f = std::move(f), inputs = std::move(inputs)](const GradcheckOptions& options) {
           return gradcheck(f, inputs, options);
         }});
  }

  std::vector<GradcheckCase> take() { return std::move(cases_); }

  std::vector<GradcheckCase>& cases() { return cases_; }

 private:
  std::vector<GradcheckCase> cases_;
};

void add_arithmetic(Catalogue& all) {
  const auto binary = [&](const std::string& op, Tensor (*f)(const Tensor&, const Tensor&)) {
    const Function both = [f](const Tensors& x) { return f(x[0], x[1]); };
    // second operands and bases in [0.5, 2]: for division and logarithms
    const auto b = [](const Shape& shape, MemoryFormat format = kContiguous) {
      return uniform(shape, 0.5, 2, format, 1);
    };
    const auto a = b;
    all.add(op, "same shape", both, {a({3, 5}), b({3, 5})});
    all.add(op, "channels_last", both,
            {a({2, 3, 2, 3}, kChannelsLast), b({2, 3, 2, 3}, kChannelsLast)});
    all.add(op, "mixed memory formats", both, {a({2, 3, 2, 3}, kChannelsLast), b({2, 3, 2, 3})});
    all.add(op, "broadcast channels", both, {a({2, 3, 2, 3}, kChannelsLast), b({1, 3, 1, 1})});
    all.add(op, "broadcast both", both, {a({3, 1}), b({2, 1, 5})});
    all.add(op, "rank 0", both, {a({}), b({3})});
    all.add(op, "tensor with itself", [f](const Tensors& x) { return f(x[0], x[0]); }, {a({5})});
  };
  binary("add", add);
  binary("sub", sub);
  binary("mul", mul);
  binary("div", div);
  binary("pow", pow);

  const Shape shape{2, 3, 1, 3};
  const auto unary = [&](const std::string& op, const std::string& detail, auto f, Tensor x) {
    all.add(op, detail, [f](const Tensors& in) { return f(in[0]); }, {std::move(x)});
  };
  unary(
      "add", "scalar", [](const Tensor& x) { return 2 + x + 3; }, uniform(shape));
  unary(
      "sub", "scalar", [](const Tensor& x) { return 2 - (x - 3); }, uniform(shape));
  unary(
      "mul", "scalar", [](const Tensor& x) { return 2 * x * -3; }, uniform(shape));
  unary(
      "div", "scalar", [](const Tensor& x) { return 2 / (x / 3); }, off_zero(shape));
  unary(
      "pow", "scalar, negative base", [](const Tensor& x) { return pow(x, 3); }, off_zero(shape));
  unary(
      "pow", "scalar 0.5", [](const Tensor& x) { return pow(x, 0.5); }, uniform(shape, 0.5, 2));
  for (MemoryFormat format : {kContiguous, kChannelsLast}) {
    const std::string detail{name(format)};
    unary(
        "neg", detail, [](const Tensor& x) { return neg(x); }, uniform(shape, -1, 1, format));
    unary(
        "exp", detail, [](const Tensor& x) { return exp(x); }, uniform(shape, -1, 1, format));
    unary(
        "log", detail, [](const Tensor& x) { return log(x); }, uniform(shape, 0.5, 2, format));
    unary(
        "sqrt", detail, [](const Tensor& x) { return sqrt(x); }, uniform(shape, 0.5, 2, format));
    unary(
        "relu", detail, [](const Tensor& x) { return relu(x); }, off_zero({2, 3, 3, 5}, format));
  }
  for (MemoryFormat format : {kContiguous, kChannelsLast}) {
    all.add("dropout", fmt::format("p 0.4 {}", name(format)),
            [](const Tensors& x) {
              Random random(3, Purpose::dropout);  // the same mask in every call
              return dropout(x[0], 0.4, random);
            },
            {uniform({1, 3, 3, 5}, -1, 1, format)});
    all.add("stochastic_depth", fmt::format("p 0.4 {}", name(format)),
            [](const Tensors& x) {
              Random random(3, Purpose::dropout);  // the same mask in every call
              return stochastic_depth(x[0], 0.4, random);
            },
            {uniform({5, 3, 1, 3}, -1, 1, format)});
  }
}

void add_conv2d(Catalogue& all) {
  struct Setting {
    const char* detail;
    Shape x, w;
    Conv2dOptions options;
  };
  const Setting settings[] = {
      {"3x3 batch 1", {1, 2, 5, 5}, {3, 2, 3, 3}, {.padding = 1}},
      {"1x1", {2, 3, 3, 5}, {5, 3, 1, 1}, {}},
      {"1x1 stride 2", {2, 3, 5, 3}, {2, 3, 1, 1}, {.stride = 2}},
      {"stride 2 groups 2", {2, 4, 5, 7}, {6, 2, 3, 3}, {.stride = 2, .padding = 1, .groups = 2}},
      {"depthwise", {1, 3, 5, 4}, {3, 1, 3, 3}, {.padding = 1, .groups = 3}},
      {"dilation 2", {1, 2, 7, 7}, {2, 2, 3, 3}, {.padding = 2, .dilation = 2}},
      {"everything per axis",
       {2, 4, 7, 6},
       {4, 2, 3, 2},
       {.stride = {2, 1}, .padding = {1, 2}, .dilation = {1, 3}, .groups = 2}},
      {"kernel larger than the image", {1, 2, 2, 2}, {2, 2, 5, 5}, {.padding = 2}},
  };
  for (const Setting& s : settings) {
    for (MemoryFormat format : {kContiguous, kChannelsLast}) {
      all.add("conv2d", fmt::format("{} {}", s.detail, name(format)),
              [options = s.options](const Tensors& t) { return conv2d(t[0], t[1], t[2], options); },
              {uniform(s.x, -1, 1, format), uniform(s.w, -1, 1, kContiguous, 1),
               uniform({s.w[0]}, -1, 1, kContiguous, 2)});
    }
  }
  all.add("conv2d", "without bias, weight in channels_last",
          [](const Tensors& t) { return conv2d(t[0], t[1]); },
          {uniform({1, 3, 4, 4}, -1, 1, kChannelsLast),
           uniform({2, 3, 2, 2}, -1, 1, kChannelsLast, 1)});
}

void add_batch_norm(Catalogue& all) {
  for (bool training : {true, false}) {
    for (MemoryFormat format : {kContiguous, kChannelsLast}) {
      for (const Shape& shape : {Shape{3, 3, 3, 5}, Shape{1, 5, 3, 1}}) {
        const std::int64_t channels = shape[1];
        const auto add = [&](const char* op, auto norm, const Tensors& more = {}) {
          Tensors inputs{uniform(shape, -1, 1, format),
                         uniform({channels}, 0.5, 1.5, kContiguous, 1),
                         uniform({channels}, -1, 1, kContiguous, 2)};
          inputs.insert(inputs.end(), more.begin(), more.end());
          all.add(
              op,
              fmt::format("{} {} {}", training ? "training" : "evaluation", shape, name(format)),
              [training, channels, norm](const Tensors& t) {
                Tensor mean = uniform({channels}, -1, 1, kContiguous, 3);
                Tensor var = uniform({channels}, 0.5, 2, kContiguous, 4);
                return norm(t, mean, var, BatchNormOptions{.training = training, .eps = 1e-3});
              },
              inputs);
        };
        add("batch_norm", [](const Tensors& t, Tensor& mean, Tensor& var, const auto& options) {
          return batch_norm(t[0], t[1], t[2], mean, var, options);
        });
        add("batch_norm_relu",
            [](const Tensors& t, Tensor& mean, Tensor& var, const auto& options) {
              return batch_norm_relu(t[0], t[1], t[2], mean, var, options);
            });
        add("batch_norm_add_relu",
            [](const Tensors& t, Tensor& mean, Tensor& var, const auto& options) {
              return batch_norm_add_relu(t[0], t[3], t[1], t[2], mean, var, options);
            },
            {uniform(shape, -1, 1, kChannelsLast, 5)});
      }
    }
  }
}

void add_batch_norm_relu_conv2d(Catalogue& all) {
  struct Setting {
    const char* detail;
    Shape x, w;
    Conv2dOptions options;
  };
  const Setting settings[] = {
      {"3x3", {2, 3, 4, 5}, {2, 3, 3, 3}, {.padding = 1}},
      {"1x1", {2, 3, 3, 5}, {4, 3, 1, 1}, {}},
      {"stride 2 groups 2", {2, 4, 5, 4}, {6, 2, 3, 3}, {.stride = 2, .padding = 1, .groups = 2}},
      {"per axis", {1, 2, 6, 5}, {2, 2, 3, 2}, {.stride = {2, 1}, .padding = {1, 2}}},
  };
  for (const Setting& s : settings) {
    for (bool training : {true, false}) {
      for (MemoryFormat format : {kContiguous, kChannelsLast}) {
        const std::int64_t channels = s.x[1];
        all.add(
            "batch_norm_relu_conv2d",
            fmt::format("{} {} {}", s.detail, training ? "training" : "evaluation", name(format)),
            [training, channels, options = s.options](const Tensors& t) {
              Tensor mean = uniform({channels}, -1, 1, kContiguous, 3);
              Tensor var = uniform({channels}, 0.5, 2, kContiguous, 4);
              return batch_norm_relu_conv2d(t[0], t[1], t[2], mean, var, t[3], t[4],
                                            {.training = training, .eps = 1e-3}, options);
            },
            {uniform(s.x, -1, 1, format), uniform({channels}, 0.5, 1.5, kContiguous, 1),
             uniform({channels}, -1, 1, kContiguous, 2), uniform(s.w, -1, 1, kContiguous, 5),
             uniform({s.w[0]}, -1, 1, kContiguous, 6)});
      }
    }
  }
}

void add_pool(Catalogue& all) {
  const std::pair<const char*, Pool2dOptions> settings[] = {
      {"2x2", {.kernel = 2}},
      {"3x3 stride 2 padding 1", {.kernel = 3, .stride = Pair2d(2), .padding = 1}},
      {"per axis", {.kernel = {2, 3}, .stride = Pair2d(1, 2), .padding = {1, 0}}}};
  for (const auto& [detail, options] : settings) {
    for (MemoryFormat format : {kContiguous, kChannelsLast}) {
      const std::string full = fmt::format("{} {}", detail, name(format));
      const Tensor x = distinct({2, 3, 5, 7}, format);
      all.add("max_pool2d", full, [o = options](const Tensors& t) { return max_pool2d(t[0], o); },
              {x});
      all.add("avg_pool2d", full, [o = options](const Tensors& t) { return avg_pool2d(t[0], o); },
              {x});
    }
  }
  for (MemoryFormat format : {kContiguous, kChannelsLast}) {
    all.add("global_avg_pool2d", std::string(name(format)),
            [](const Tensors& t) { return global_avg_pool2d(t[0]); },
            {uniform({1, 3, 5, 7}, -1, 1, format)});
  }
}

void add_reduce(Catalogue& all) {
  const auto each = [&](const std::string& op, Tensor (*f)(const Tensor&, const ReduceOptions&)) {
    const auto with = [&](const std::string& detail, const Shape& shape, MemoryFormat format,
                          const ReduceOptions& options) {
      all.add(op, detail, [f, options](const Tensors& t) { return f(t[0], options); },
              {distinct(shape, format)});
    };
    with("all", {3, 5}, kContiguous, {});
    with("rank 0", {}, kContiguous, {});
    with("axis 0", {3, 5}, kContiguous, {.axes = {0}});
    with("last axis, kept", {3, 5}, kContiguous, {.axes = {-1}, .keep_dims = true});
    with("channels, channels_last", {2, 3, 2, 3}, kChannelsLast, {.axes = {1}});
    with("positions, channels_last", {2, 3, 2, 3}, kChannelsLast, {.axes = {0, 2, 3}});
    with("positions, kept, channels_last", {2, 3, 2, 3}, kChannelsLast,
         {.axes = {2, 3}, .keep_dims = true});
  };
  each("sum", sum);
  each("mean", mean);
  each("max", max);
}

void add_matmul(Catalogue& all) {
  const Function product = [](const Tensors& t) { return matmul(t[0], t[1]); };
  all.add("matmul", "", product, {uniform({3, 5}), uniform({5, 2})});
  all.add("matmul", "one row", product, {uniform({1, 5}), uniform({5, 3})});
  const Function affine = [](const Tensors& t) { return linear(t[0], t[1], t[2]); };
  all.add("linear", "", affine, {uniform({3, 5}), uniform({4, 5}), uniform({4})});
  all.add("linear", "batch 1", affine, {uniform({1, 7}), uniform({3, 7}), uniform({3})});
  all.add("linear", "without bias", [](const Tensors& t) { return linear(t[0], t[1]); },
          {uniform({3, 5}), uniform({4, 5})});
}

void add_cross_entropy(Catalogue& all) {
  all.add("log_softmax", "", [](const Tensors& t) { return log_softmax(t[0]); },
          {uniform({3, 5}, -2, 2)});
  for (double smoothing : {0.0, 0.1, 1.0}) {
    all.add("cross_entropy", fmt::format("label smoothing {}", smoothing),
            [smoothing](const Tensors& t) {
              return cross_entropy(t[0], labels({4, 0, 2}), smoothing);
            },
            {uniform({3, 5}, -2, 2)});
  }
  all.add("cross_entropy", "batch 1",
          [](const Tensors& t) { return cross_entropy(t[0], labels({1})); },
          {uniform({1, 3}, -2, 2)});
}

void add_shaping(Catalogue& all) {
  const Shape shape{2, 3, 4, 5};
  for (MemoryFormat format : {kContiguous, kChannelsLast}) {
    const std::string detail{name(format)};
    const auto one = [&](const std::string& op, auto f) {
      all.add(op, detail, [f](const Tensors& t) { return f(t[0]); },
              {uniform(shape, -1, 1, format)});
    };
    one("reshape", [](const Tensor& x) { return reshape(x, {6, -1}); });
    one("view", [](const Tensor& x) { return x.to(kContiguous).view({24, 5}); });
    one("narrow", [](const Tensor& x) { return x.narrow(1, 2); });
    one("clone", [](const Tensor& x) { return x.clone(); });
    one("flatten", [](const Tensor& x) { return flatten(x); });
    one("permute", [](const Tensor& x) { return permute(x, {3, 0, 2, 1}); });
    one("transpose", [](const Tensor& x) { return transpose(x, -1, 1); });
    one("slice", [](const Tensor& x) { return slice(x, 3, 1, -1, 2); });
    one("pad_shortcut", [](const Tensor& x) {
      return pad_shortcut(x, {.stride = 2, .channels_before = 1, .channels_after = 2});
    });
    one("zero_pad", [](const Tensor& x) { return zero_pad(x, {{0, 0}, {1, 2}, {0, 1}}); });
    one("to_memory_format", [](const Tensor& x) {
      return mul(
          x, to_memory_format(x, x.memory_format() == kContiguous ? kChannelsLast : kContiguous));
    });
    all.add("concatenate", detail,
            [](const Tensors& t) {
              return concatenate({t[0], t[1], t[0]}, 1);
            },
            {uniform({2, 1, 3, 2}, -1, 1, format), uniform({2, 2, 3, 2}, -1, 1, kChannelsLast, 1)});
  }
  // a round trip through float32, exact for few digits and a step to match
  Tensor coarse = distinct({3, 5});
  all.add("to_dtype", "float64 to float32 and back",
          [](const Tensors& t) { return to_dtype(to_dtype(t[0], DType::float32), DType::float64); },
          {coarse});
  auto& last = all.cases().back();
  last.run = [inner = last.run](GradcheckOptions options) {
    options.h = 0.125;
    return inner(options);
  };
}

}  // namespace

std::vector<GradcheckCase> op_gradcheck_cases() {
  Catalogue all;
  add_arithmetic(all);
  add_conv2d(all);
  add_batch_norm(all);
  add_batch_norm_relu_conv2d(all);
  add_pool(all);
  add_reduce(all);
  add_matmul(all);
  add_cross_entropy(all);
  add_shaping(all);
  return all.take();
}

std::vector<GradcheckCase> conv2d_engine_gradcheck_cases() {
  struct Setting {
    const char* detail;
    std::int64_t n, c_in, h, w, c_out, kernel, stride, groups;
  };
  // channels in multiples of the widest vectors, and odd ones for the reference
  const Setting settings[] = {
      {"3x3", 2, 16, 7, 8, 16, 3, 1, 1},
      {"3x3 batch 1", 1, 16, 5, 9, 32, 3, 1, 1},
      {"3x3 stride 2", 2, 16, 5, 7, 16, 3, 2, 1},
      {"1x1", 2, 32, 3, 5, 16, 1, 1, 1},
      {"1x1 stride 2", 1, 16, 5, 3, 32, 1, 2, 1},
      {"stem", 2, 3, 7, 6, 16, 3, 1, 1},
      {"3x3 groups of 2", 1, 32, 5, 4, 32, 3, 1, 16},
      {"3x3 groups of 4", 2, 16, 5, 6, 16, 3, 1, 4},
      {"3x3 groups of 8 stride 2", 1, 32, 5, 7, 32, 3, 2, 4},
      {"3x3 groups of 16 stride 2", 1, 32, 4, 5, 32, 3, 2, 2},
      {"3x3 wide groups", 2, 64, 5, 6, 32, 3, 1, 2},
      {"3x3 wide groups stride 2", 1, 64, 5, 4, 64, 3, 2, 2},
      {"5x5 odd channels groups 3", 1, 9, 6, 5, 6, 5, 1, 3},
  };
  const std::string engine{kernels::conv2d_engine_setting()};
  Catalogue all;
  for (const Setting& s : settings) {
    const std::int64_t pad = s.kernel / 2;
    const kernels::Conv2dDims d{.n = s.n,
                                .c_in = s.c_in,
                                .h_in = s.h,
                                .w_in = s.w,
                                .c_out = s.c_out,
                                .k_h = s.kernel,
                                .k_w = s.kernel,
                                .stride_h = s.stride,
                                .stride_w = s.stride,
                                .pad_h = pad,
                                .pad_w = pad,
                                .dilation_h = 1,
                                .dilation_w = 1,
                                .groups = s.groups};
    std::string passes;
    const auto try_pass = [&](kernels::Conv2dPass pass, const char* pass_name) {
      if (kernels::choose_conv2d<float>(d, pass).name() != engine) return;
      passes += passes.empty() ? pass_name : fmt::format(", {}", pass_name);
    };
    try_pass(kernels::Conv2dPass::forward, "forward");
    try_pass(kernels::Conv2dPass::backward_input, "input");
    try_pass(kernels::Conv2dPass::backward_weight, "weight");
    if (passes.empty()) continue;
    const Conv2dOptions options{.stride = s.stride, .padding = pad, .groups = s.groups};
    all.add("conv2d", fmt::format("{} {}: {}", engine, s.detail, passes),
            [options](const Tensors& t) { return conv2d(t[0], t[1], {}, options); },
            {uniform({s.n, s.c_in, s.h, s.w}, -1, 1, kChannelsLast),
             uniform({s.c_out, s.c_in / s.groups, s.kernel, s.kernel}, -1, 1, kContiguous, 1)});
  }
  std::vector<GradcheckCase> cases = all.take();
  for (GradcheckCase& c : cases) {
    c.run = [inner = c.run](GradcheckOptions options) {
      options.analytic_dtype = DType::float32;
      options.rtol = 1e-3;
      return inner(options);
    };
  }
  return cases;
}

}  // namespace resgrad
