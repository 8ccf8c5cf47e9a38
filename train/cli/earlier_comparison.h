// The results that an earlier `resgrad compare` left in its folder.
#pragma once

#include <filesystem>
#include <optional>

namespace resgrad::cli {

/// Moves tables, plots and the folders VARIANT/seedN to `folder`/previous-N, so that the next
/// comparison has none of them. Returns where to; nothing when there were none. Call while holding
/// `folder`.
/// Throws  IoError when something cannot be moved, or another process works in one of the runs.
std::optional<std::filesystem::path> move_earlier_comparison(const std::filesystem::path& folder);

}  // namespace resgrad::cli
