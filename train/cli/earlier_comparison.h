// The results that an earlier `resgrad compare` left in its folder.
#pragma once

#include <filesystem>
#include <optional>

#include "train/run_folder.h"

namespace resgrad::cli {

/// Makes `folder` ready for a comparison, which has none of the tables, plots and runs
/// VARIANT/seedN there: `move` takes them, with all else in the folders VARIANT, to
/// `folder`/previous-N; `remove` deletes them, and of the runs what run_files() names; `keep`
/// leaves them. Returns where they went. Call while holding `folder`.
/// Throws  IoError when something cannot be moved or deleted, or another process works in one of
///         the runs.
std::optional<std::filesystem::path> settle_earlier_comparison(const std::filesystem::path& folder,
                                                               EarlierRun earlier);

}  // namespace resgrad::cli
