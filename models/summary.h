// A table of the layers of a network, character for character as torchinfo 1.8.0 prints it.
#pragma once

#include <string>

#include "nn/module.h"

namespace resgrad {

struct SummaryOptions {
  int depth = 3;  ///< rows of deeper modules are not shown
};

/// Runs `module` once on zeros of `input_size` (in evaluation mode, without gradients) and returns
/// the table: a row per module call with output shape and parameters, then the totals.
/// Units   multiply-adds in 1e6, 1e9 or 1e12; sizes in MB of 1e6 bytes.
/// Throws  ValueError for depth < 1, and what the module throws for this input.
/// Source  torchinfo 1.8.0 (TylerYep/torchinfo) on Python 3.11.
/// Differs  a module under two parents is shown under the one that calls it, where torchinfo shows
///         it under the last one, with a row for that parent as if it had been used.
std::string summary(Module& module, const Shape& input_size, const SummaryOptions& options = {});

/// Multiply-adds of one forward pass by the same rules.
std::int64_t multiply_adds(Module& module, const Shape& input_size);

}  // namespace resgrad
