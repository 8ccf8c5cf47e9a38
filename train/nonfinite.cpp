#include "train/nonfinite.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "core/autograd/grad_mode.h"
#include "core/check.h"
#include "core/kernels/finite.h"

namespace resgrad {
namespace {

bool all_finite(const Tensor& t) {
  if (!is_floating(t.dtype())) return true;
  bool finite = false;
  visit_floating(t.dtype(), "all_finite",
                 [&]<class T>() { finite = kernels::all_finite(t.data<T>(), t.numel()); });
  return finite;
}

// "float32 [16, 3, 3, 3] with 2 NaN and 0 infinite of 432 values"
std::string counts(const Tensor& t) {
  std::int64_t nans = 0, infinite = 0;
  for (double v : t.detach().to_vector<double>()) {
    nans += std::isnan(v);
    infinite += std::isinf(v);
  }
  return fmt::format("{} {} with {} NaN and {} infinite of {} values", name(t.dtype()), t.shape(),
                     nans, infinite, t.numel());
}

// The path of `wanted` below `module`; nothing when it is not there.
std::optional<std::string> path_of(const Module& module, const Module& wanted) {
  if (&module == &wanted) return "";
  for (const auto& [name, child] : module.children()) {
    if (const auto below = path_of(*child, wanted)) {
      return below->empty() ? name : name + "." + *below;
    }
  }
  return std::nullopt;
}

// The type of the module that holds the parameter of this path.
std::string class_of_owner(const Module& module, std::string_view path) {
  const std::size_t dot = path.find('.');
  if (dot == path.npos) return module.class_name();
  for (const auto& [name, child] : module.children()) {
    if (name == path.substr(0, dot)) return class_of_owner(*child, path.substr(dot + 1));
  }
  return module.class_name();
}

std::string describe_parameter(const Module& net, const std::string& path, const Tensor& t) {
  const std::size_t dot = path.rfind('.');
  return fmt::format("layer {} ({}), tensor {}: {}",
                     dot == std::string::npos ? "(the network)" : path.substr(0, dot),
                     class_of_owner(net, path), path.substr(dot + 1), counts(t));
}

class OutputObserver final : public CallObserver {
 public:
  void enter(const Module&, const Tensor&) override {}
  void leave(const Module& module, const Tensor& y) override {
    if (layer == nullptr && !all_finite(y)) {
      layer = &module;
      output = counts(y);
    }
  }

  const Module* layer = nullptr;
  std::string output;
};

std::string describe_loss(Module& net, const Tensor& images) {
  if (!all_finite(images)) return "tensor images of the batch: " + counts(images);
  for (const NamedTensor& p : net.named_parameters()) {
    if (!all_finite(p.tensor)) return describe_parameter(net, p.name, p.tensor);
  }
  const NoGradGuard no_grad;
  const SavedBuffers buffers(net);
  OutputObserver outputs;
  net(images);
  buffers.restore();
  if (outputs.layer == nullptr) return "the loss function, from finite outputs of the network";
  const std::string path = path_of(net, *outputs.layer).value_or("");
  return fmt::format("layer {} ({}), tensor output: {}", path.empty() ? "(the network)" : path,
                     outputs.layer->class_name(), outputs.output);
}

}  // namespace

SavedBuffers::SavedBuffers(const Module& net) : buffers_(net.named_buffers()) {
  const NoGradGuard no_grad;
  for (const NamedTensor& buffer : buffers_) {
    values_.push_back(Tensor::empty_like(buffer.tensor));
    values_.back().copy_(buffer.tensor);
  }
}

void SavedBuffers::restore() const {
  const NoGradGuard no_grad;
  for (std::size_t i = 0; i < buffers_.size(); ++i) {
    Tensor(buffers_[i].tensor).copy_(values_[i]);
  }
}

bool gradients_are_finite(const std::vector<NamedTensor>& parameters) {
  return std::ranges::all_of(parameters, [](const NamedTensor& p) {
    const Tensor gradient = p.tensor.grad();
    return !gradient.defined() || all_finite(gradient);
  });
}

std::string describe_nonfinite(Module& net, const Tensor& images, double loss) {
  if (!std::isfinite(loss)) return describe_loss(net, images);
  // backward begins at the output, so the last parameter is the first that was reached
  std::vector<NamedTensor> parameters = net.named_parameters();
  std::ranges::reverse(parameters);
  for (const NamedTensor& p : parameters) {
    const Tensor gradient = p.tensor.grad();
    if (gradient.defined() && !all_finite(gradient)) {
      return "gradient of " + describe_parameter(net, p.name, gradient);
    }
  }
  return "nothing";
}

}  // namespace resgrad
