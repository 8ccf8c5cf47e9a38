#include "nn/inference.h"

#include <algorithm>

#include "core/autograd/grad_mode.h"

namespace resgrad {
namespace {

thread_local PreparedLayers* active_layers = nullptr;

using Versions = std::vector<std::pair<Tensor, std::uint64_t>>;

void look_at(const Tensor& t, Versions& versions) {
  if (t.defined()) versions.emplace_back(t.detach(), t.version());
}

// Of the data, which are held: no others can have come to the same place.
bool same(const Versions& a, const Versions& b) {
  return std::ranges::equal(a, b, [](const auto& x, const auto& y) {
    return std::as_const(x.first).bytes() == std::as_const(y.first).bytes() && x.second == y.second;
  });
}

}  // namespace

PreparedLayers* PreparedLayers::active() {
  return active_layers;
}

PreparedConv2d& PreparedLayers::get(const Conv2d& conv, BatchNorm2d* norm) {
  Conv2dWeights weights{conv.weight().detach(),
                        conv.bias().defined() ? conv.bias().detach() : Tensor()};
  Versions versions;
  look_at(weights.weight, versions);
  look_at(weights.bias, versions);
  if (norm != nullptr) {
    norm->apply([&](const Tensor& weight, const Tensor& bias, const Tensor& mean, const Tensor& var,
                    const BatchNormOptions&) {
      for (const Tensor& t : {weight, bias, mean, var}) look_at(t, versions);
      return Tensor();
    });
  }
  const auto found = layers_.find({&conv, norm});
  if (found != layers_.end() && same(found->second.made_of, versions)) return *found->second.conv;
  Layer layer{.made_of = std::move(versions)};
  if (norm != nullptr) {
    weights = fold_batch_norm(weights, norm->factors());
    layer.folded_bytes = weights.weight.byte_size() + weights.bias.byte_size();
  }
  layer.conv = std::make_unique<PreparedConv2d>(weights, conv.options());
  // last: an error leaves what was there
  return *layers_.insert_or_assign({&conv, norm}, std::move(layer)).first->second.conv;
}

std::size_t PreparedLayers::bytes() const {
  std::size_t bytes = 0;
  for (const auto& [key, layer] : layers_) bytes += layer.folded_bytes + layer.conv->bytes();
  return bytes;
}

Tensor InferenceNet::operator()(const Tensor& x) {
  const NoGradGuard no_grad;
  const ScopedValue<PreparedLayers*> active(active_layers, &layers_);
  return (*net_)(x);
}

InferenceNet prepare_inference(Module& net) {
  net.eval();
  return InferenceNet(net);
}

}  // namespace resgrad
