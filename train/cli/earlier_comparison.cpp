#include "train/cli/earlier_comparison.h"

#include <algorithm>
#include <array>
#include <vector>

#include "core/check.h"
#include "train/run_folder.h"

namespace resgrad::cli {
namespace {

namespace fs = std::filesystem;

constexpr std::array<std::string_view, 7> kFiles = {
    "args.json",   "runs.csv",          "compare.csv",      "compare.png",
    "compare.svg", "compare-costs.png", "compare-costs.svg"};

std::vector<fs::path> runs_of(const fs::path& variant) {
  std::vector<fs::path> runs;
  std::error_code ignored;
  if (variant.filename().string().starts_with("previous-")) return runs;
  for (const fs::directory_entry& entry : fs::directory_iterator(variant, ignored)) {
    if (entry.path().filename().string().starts_with("seed") && entry.is_directory(ignored)) {
      runs.push_back(entry.path());
    }
  }
  return runs;
}

}  // namespace

std::optional<fs::path> move_earlier_comparison(const fs::path& folder) {
  std::vector<fs::path> found;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder)) {
    const std::vector<fs::path> runs = runs_of(entry.path());
    for (const fs::path& run : runs)
      const RunFolder held(run, EarlierRun::keep);  // which must be free
    if (!runs.empty() ||
        std::ranges::find(kFiles, entry.path().filename().string()) != kFiles.end())
      found.push_back(entry.path());
  }
  if (found.empty()) return std::nullopt;
  int n = 1;
  const auto target = [&] { return folder / fmt::format("previous-{}", n); };
  std::error_code error;
  while (!fs::create_directory(target(), error) && !error) ++n;
  for (const fs::path& path : found) {
    if (!error) fs::rename(path, target() / path.filename(), error);
    require<IoError>(!error, "compare: {}: expected to move the earlier comparison to {}, got: {}",
                     folder.string(), target().string(), error.message());
  }
  return target();
}

}  // namespace resgrad::cli
