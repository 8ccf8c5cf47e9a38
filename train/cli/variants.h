// What `resgrad compare` compares: runs whose settings differ in what is varied.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "train/run_options.h"
#include "train/settings.h"

namespace resgrad::cli {

struct Variant {
  std::string name;  ///< of its folder and in the tables: "pre", "wide", "wide_lr=0.1_groups=4"
  RunOptions options;
};

/// A file of settings that stands for a variant, as read_settings() reads it.
struct VariantFile {
  std::string path;
  nlohmann::ordered_json settings;
};

/// All combinations of the files, if there are any, of the activation orders, if there are any, and
/// of the values of each setting in `vary`: the words of SETTING=A,B,... split at the commas, one
/// setting after another. They differ from `base` in these alone, in what depends on the optimiser,
/// and in the network where that is the one of --weights; `given` are the rows of the settings that
/// were given for all. A file wins over what another file gave for all, and flags over both. Files
/// name variants as they are named, without folder and suffix.
/// Throws  ValueError for a setting that does not exist, belongs to the comparison as a whole or is
///         varied twice, for a value that it cannot have, for data that are not those of all
///         variants, for two variants of one name or with the same settings, and names that cannot
///         name folders; what read_network() throws for --weights.
std::vector<Variant> make_variants(const RunOptions& base, Settings given,
                                   const std::vector<VariantFile>& files,
                                   const std::vector<std::string>& orders,
                                   const std::vector<std::string>& vary);

/// Gives `base` the data of a variant, which are those of all.
void take_data(RunOptions& base, RunOptions variant);

}  // namespace resgrad::cli
