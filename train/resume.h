// Which checkpoint a run goes on from, and whether it is one of the same run.
#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "nn/module.h"
#include "train/checkpoint.h"
#include "train/dist/communicator.h"
#include "train/run_options.h"

namespace resgrad {

constexpr std::string_view kLastFile = "last.safetensors";
constexpr std::string_view kBestFile = "best.safetensors";
constexpr std::string_view kEmaFile = "ema.safetensors";
constexpr std::string_view kNonfiniteFile = "nonfinite.safetensors";

struct FoundCheckpoint {
  std::filesystem::path file;
  Checkpoint checkpoint;
  /// Newer ones that could not be read, each with the message of its error.
  std::vector<std::pair<std::filesystem::path, std::string>> damaged = {};
};

/// The newest checkpoint in `folder` that can be read: last.safetensors, else last.1.safetensors
/// and so on. Nothing when there are none.
/// Throws  IoError when there are some and none can be read.
std::optional<FoundCheckpoint> newest_checkpoint(const std::filesystem::path& folder);

/// What `resume` asks for: "auto" is newest_checkpoint(output_folder), a folder is that folder's, a
/// file that file alone. Nothing when `resume` is empty, or "auto" and there are no checkpoints.
/// Throws  IoError when a file or folder is missing, damaged or holds weights only.
std::optional<FoundCheckpoint> find_checkpoint(const std::string& resume,
                                               const std::filesystem::path& output_folder);

/// What rank 0 finds so, at all ranks: its files count.
std::optional<FoundCheckpoint> find_checkpoint(const std::string& resume,
                                               const std::filesystem::path& output_folder,
                                               Communicator& ranks);

/// The setting `shards` of a run: what is asked for, else that of the checkpoint that it goes on
/// from, if it does, else the number of ranks.
std::int64_t resolve_shards(std::int64_t asked, const std::optional<FoundCheckpoint>& found,
                            int ranks);

/// Makes best.safetensors in `folder` the file of the evaluation after update `step`, if it or
/// best.1.safetensors in `from` is that: it is renamed where both folders are the same, else
/// copied. A best.safetensors of another evaluation becomes best.1.safetensors. Returns whether it
/// is there.
bool restore_best(const std::filesystem::path& from, const std::filesystem::path& folder,
                  std::int64_t step);

/// Gives the settings that were left to the network's family the values that it chooses. Leaves
/// alone what it cannot tell, such as the settings of an unknown network.
using ResolveDefaults = std::function<void(RunOptions&)>;

/// The settings that decide on the result and differ between the checkpoint (a result_settings())
/// and this run: "lr is 0.1 there and 0.2 here; ...", or nothing. A setting that the checkpoint
/// does not know had its default; whoever names a default by `resolve` says nothing new. `epochs`
/// may differ where the learning rate does not depend on it: with the schedules constant, step and
/// multistep.
std::string differing_settings(const std::string& saved, const RunOptions& options,
                               const ResolveDefaults& resolve = {});

}  // namespace resgrad
