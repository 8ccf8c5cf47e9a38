// Training that goes on from weights: what a network takes from them, and which parts of it rest.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "nn/module.h"
#include "train/checkpoint.h"

namespace resgrad {

/// The child of a network that makes logits of features, and alone depends on the classes.
constexpr std::string_view kHead = "fc";

/// Gives `net`, which has outputs for `num_classes`, the parameters and buffers of `weights`; with
/// `reset_head` all but those of kHead, which keeps its values. Random numbers begin anew, as does
/// the training: either may have layers that drop parts, which the other has not. `name` stands for
/// the weights in messages.
/// Throws  ValueError when the weights have other classes and the head is not reset, and as
///         copy_state(); nothing is changed then.
void start_from(Module& net, const Checkpoint& weights, std::int64_t num_classes, bool reset_head,
                std::string_view name);

/// Lets these children of `net` be as they are in training: their parameters require no gradient,
/// and they are in evaluation mode, so that norms use their running statistics and keep them.
/// Throws  ValueError for a name that is no child with parameters, listing those that are, and when
///         no parameter would be trained; nothing is changed then.
void freeze(Module& net, const std::vector<std::string>& children);

}  // namespace resgrad
