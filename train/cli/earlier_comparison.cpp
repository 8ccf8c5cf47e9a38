#include "train/cli/earlier_comparison.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <vector>

#include "core/check.h"

namespace resgrad::cli {
namespace {

namespace fs = std::filesystem;

constexpr std::array<std::string_view, 7> kFiles = {
    "args.json",   "runs.csv",          "compare.csv",      "compare.png",
    "compare.svg", "compare-costs.png", "compare-costs.svg"};
constexpr std::string_view kSeed = "seed";

bool is_run(std::string_view name) {
  return name.size() > kSeed.size() && name.starts_with(kSeed) &&
         name.find_first_not_of("0123456789", kSeed.size()) == name.npos;
}

std::vector<fs::path> runs_of(const fs::path& variant) {
  std::vector<fs::path> runs;
  std::error_code ignored;
  if (variant.filename().string().starts_with("previous-")) return runs;
  for (const fs::directory_entry& entry : fs::directory_iterator(variant, ignored)) {
    if (is_run(entry.path().filename().string()) && entry.is_directory(ignored)) {
      runs.push_back(entry.path());
    }
  }
  return runs;
}

fs::path move(const std::vector<fs::path>& found, const fs::path& folder) {
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

// What else is in the folders of variants and runs stays, and the folders with it.
void remove(const std::vector<fs::path>& found) {
  std::error_code ignored;
  for (const fs::path& path : found) {
    for (const fs::path& run : runs_of(path)) {
      const RunFolder held(run, EarlierRun::remove);
      fs::remove(run, ignored);
    }
    std::error_code error;
    fs::remove(path, error);
    require<IoError>(!error || fs::is_directory(path, ignored),
                     "compare: {}: expected to remove it, got: {}", path.string(), error.message());
  }
}

}  // namespace

std::optional<fs::path> settle_earlier_comparison(const fs::path& folder, EarlierRun earlier) {
  if (earlier == EarlierRun::keep) return std::nullopt;
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
  if (earlier == EarlierRun::move) return move(found, folder);
  remove(found);
  return std::nullopt;
}

}  // namespace resgrad::cli
