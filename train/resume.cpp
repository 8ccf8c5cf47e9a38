#include "train/resume.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "core/check.h"
#include "train/run_record.h"

namespace resgrad {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

constexpr int kMostPrevious = 99;  // as many as --keep allows

FoundCheckpoint read_state(const fs::path& file) {
  FoundCheckpoint found{file, read_checkpoint(file)};
  require<IoError>(found.checkpoint.state.has_value(),
                   "resume: {}: expected a checkpoint of a run, got a file of weights alone",
                   file.string());
  return found;
}

// Nothing when there is no such file, or it cannot be read.
std::optional<std::int64_t> step_of(const fs::path& file) {
  try {
    return read_checkpoint_info(file).step;
  } catch (const IoError&) {
    return std::nullopt;
  }
}

}  // namespace

std::optional<FoundCheckpoint> newest_checkpoint(const fs::path& folder) {
  std::vector<std::pair<fs::path, std::string>> damaged;
  for (int n = 0; n <= kMostPrevious; ++n) {
    const fs::path last = folder / kLastFile;
    const fs::path file = n == 0 ? last : previous_file(last, n);
    std::error_code ignored;
    if (!fs::exists(file, ignored)) continue;
    try {
      FoundCheckpoint found = read_state(file);
      found.damaged = std::move(damaged);
      return found;
    } catch (const IoError& error) {
      damaged.emplace_back(file, error.what());
    }
  }
  if (damaged.empty()) return std::nullopt;
  throw IoError(
      fmt::format("resume: {}: expected a checkpoint that can be read, got {} that "
                  "cannot; the newest: {}",
                  folder.string(), damaged.size(), damaged.front().second));
}

std::optional<FoundCheckpoint> find_checkpoint(const std::string& resume,
                                               const fs::path& output_folder) {
  if (resume.empty()) return std::nullopt;
  if (resume == "auto") return newest_checkpoint(output_folder);
  std::error_code ignored;
  if (!fs::is_directory(resume, ignored)) return read_state(resume);
  auto found = newest_checkpoint(resume);
  require<IoError>(found.has_value(), "resume: {}: expected a folder with {}, found none", resume,
                   kLastFile);
  return found;
}

std::optional<FoundCheckpoint> find_checkpoint(const std::string& resume,
                                               const fs::path& output_folder, Communicator& ranks) {
  std::optional<FoundCheckpoint> found;
  if (ranks.leads()) found = find_checkpoint(resume, output_folder);
  if (ranks.size() == 1) return found;
  std::string file, bytes;
  if (found) {
    file = found->file.string();
    const std::vector<std::byte> contents = serialise_checkpoint(found->checkpoint);
    bytes.assign(reinterpret_cast<const char*>(contents.data()), contents.size());
  }
  file = ranks.first(file);
  bytes = ranks.first(bytes);
  if (found || bytes.empty()) return found;
  return FoundCheckpoint{file, parse_checkpoint(std::as_bytes(std::span(bytes)), file)};
}

std::int64_t resolve_shards(std::int64_t asked, const std::optional<FoundCheckpoint>& found,
                            int ranks) {
  if (asked > 0) return asked;
  if (!found) return ranks;
  return std::max<std::int64_t>(1, from_json(found->checkpoint.state->settings).shards);
}

bool restore_best(const fs::path& from, const fs::path& folder, std::int64_t step) {
  std::error_code error;
  const bool here = fs::equivalent(from / ".", folder / ".", error);
  const fs::path best = from / kBestFile, before = previous_file(best, 1);
  if (step_of(best) == step) {
    if (!here) fs::copy_file(best, folder / kBestFile, error);
    return !error;
  }
  if (step_of(before) == step) {
    if (here) {
      fs::rename(before, best, error);
    } else {
      fs::copy_file(before, folder / kBestFile, error);
    }
    return !error;
  }
  if (here) fs::rename(best, before, error);
  return false;
}

std::string differing_settings(const std::string& saved, const RunOptions& options,
                               const ResolveDefaults& resolve) {
  RunOptions before = from_json(saved), now = options;
  for (RunOptions* o : {&before, &now}) {
    o->shards = std::max<std::int64_t>(1, o->shards);  // before there were shards, a batch was one
    resolve_schedule(*o);
    if (resolve) resolve(*o);
  }
  Json there = Json::parse(result_settings(before));
  const Json here = Json::parse(result_settings(now)), recorded = Json::parse(saved);
  for (const auto& [key, value] : recorded.items()) {
    if (!there.contains(key)) there[key] = value;  // of another version of the program
  }
  const Json& schedule = here["lr_scheduler"];
  if (schedule == "constant" || schedule == "step" || schedule == "multistep") {
    there["epochs"] = here["epochs"];
  }
  std::vector<std::string> differences;
  for (const auto& [key, value] : there.items()) {
    const Json now_value = here.value(key, Json());
    if (value != now_value) {
      differences.push_back(
          fmt::format("{} is {} there and {} here", key, value.dump(), now_value.dump()));
    }
  }
  return fmt::format("{}", fmt::join(differences, "; "));
}

}  // namespace resgrad
