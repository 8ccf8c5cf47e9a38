// What the settings of a run say that most likely is a mistake.
#pragma once

#include <string>
#include <vector>

#include "train/run_options.h"

namespace resgrad {

/// What most likely is a mistake, in words: settings that are not at their default and have no
/// effect beside the others, and changes of the learning rate that lie behind the end of the run.
std::vector<std::string> settings_without_effect(const RunOptions& options);

}  // namespace resgrad
