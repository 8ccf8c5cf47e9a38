#include "train/fine_tune.h"

#include <fmt/ranges.h>

#include <algorithm>

#include "core/check.h"
#include "nn/layers.h"

namespace resgrad {

void start_from(Module& net, const Checkpoint& weights, std::int64_t num_classes, bool reset_head,
                std::string_view name) {
  require<ValueError>(reset_head || weights.info.num_classes == num_classes,
                      "weights: {}: expected weights for the {} classes of the data, got {}; with "
                      "--reset-head the classifier starts anew and all else from them",
                      name, num_classes, weights.info.num_classes);
  std::vector<NamedTensor> own = net.state_dict(), state = weights.model;
  const std::string prefix = std::string(kHead) + '.';
  for (auto* tensors : {&own, &state}) {
    std::erase_if(*tensors, [&](const NamedTensor& t) {
      return DropLayer::is_random_state(t.name) || (reset_head && t.name.starts_with(prefix));
    });
  }
  copy_state(fmt::format("weights: {}", name), own, state);
}

void freeze(Module& net, const std::vector<std::string>& children) {
  std::vector<std::string> known;
  bool any_trained = false;
  for (const auto& [name, child] : net.children()) {
    const std::vector<NamedTensor> parameters = child->named_parameters();
    if (parameters.empty()) continue;
    known.push_back(name);
    any_trained = any_trained || (std::ranges::find(children, name) == children.end() &&
                                  std::ranges::any_of(parameters, [](const NamedTensor& p) {
                                    return p.tensor.requires_grad();
                                  }));
  }
  for (const std::string& name : children) {
    require<ValueError>(std::ranges::find(known, name) != known.end(),
                        "train: freeze: expected parts of the network ({}), got {}",
                        fmt::join(known, ", "), name);
  }
  require<ValueError>(children.empty() || any_trained,
                      "train: freeze: expected a part of the network that is trained, got all of "
                      "it frozen: {}",
                      fmt::join(children, ", "));
  for (const auto& [name, child] : net.children()) {
    if (std::ranges::find(children, name) == children.end()) continue;
    child->eval();
    for (NamedTensor& p : child->named_parameters()) p.tensor.set_requires_grad(false);
  }
}

}  // namespace resgrad
