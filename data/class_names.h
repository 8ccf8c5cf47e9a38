// The names of the classes of the data sets.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace resgrad::data {

/// The classes of cifar10, cifar100 (the fine ones) or synthetic in the order of their labels. For
/// other data sets, and where `num_classes` is not theirs: "class 0", "class 1", ...
std::vector<std::string> class_names(std::string_view dataset, std::int64_t num_classes);

}  // namespace resgrad::data
