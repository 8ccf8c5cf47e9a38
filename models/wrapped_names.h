// What PyTorch's wrappers add to the names of the tensors of a network.
#pragma once

#include <vector>

#include "core/named_tensor.h"

namespace resgrad::models {

/// The tensors under the names that they have without wrappers: each "module." (of DataParallel,
/// DistributedDataParallel, AveragedModel) and "_orig_mod." (of compile) in front of a name is
/// taken off, and AveragedModel's counter n_averaged left out. Some names may have them and others
/// not.
/// Throws  ValueError that lists the names in question where two become the same.
std::vector<NamedTensor> without_wrappers(const std::vector<NamedTensor>& state);

}  // namespace resgrad::models
