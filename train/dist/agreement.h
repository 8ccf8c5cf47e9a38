// What all ranks must have in common, and how they come to it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/named_tensor.h"
#include "train/dist/communicator.h"

namespace resgrad {

/// CRC-32 of the values of tensors, in their order.
std::uint32_t checksum(const std::vector<NamedTensor>& tensors);

/// Throws  StateError at all ranks, with the same message, unless `own` is the same at all of them.
///         `what` names it.
void require_equal(Communicator& ranks, std::string_view what, const std::string& own);

/// Makes the smallest of the instruction sets that are active at the ranks the active one of all.
void use_common_isa(Communicator& ranks);

}  // namespace resgrad
