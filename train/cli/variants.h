// What `resgrad compare` compares: runs whose settings differ in what is varied.
#pragma once

#include <string>
#include <vector>

#include "train/run_options.h"
#include "train/settings.h"

namespace resgrad::cli {

struct Variant {
  std::string name;  ///< of its folder and in the tables: "pre", "lr=0.1", "pre_lr=0.1_groups=4"
  RunOptions options;
};

/// All combinations of the activation orders, if there are any, and of the values of each setting
/// in `vary`: the words of SETTING=A,B,... split at the commas, one setting after another. They
/// differ from `base` in these alone, and in what depends on the optimiser; `given` are the rows of
/// the settings that were given for all.
/// Throws  ValueError for a setting that does not exist, belongs to all runs of a comparison or is
///         given twice, for a value that it cannot have, and for one twice.
std::vector<Variant> make_variants(const RunOptions& base, Settings given,
                                   const std::vector<std::string>& orders,
                                   const std::vector<std::string>& vary);

}  // namespace resgrad::cli
