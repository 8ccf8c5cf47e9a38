// The record of the settings of a run as JSON: args.json, and what checkpoints say of them.
#pragma once

#include <string>

#include "train/run_options.h"

namespace resgrad {

/// The settings and the version of the program as a JSON object, without those of this start alone.
/// Throws  ValueError for text that is not UTF-8, which JSON cannot hold.
std::string to_json(const RunOptions& options);

/// Those of them that decide on what is computed (Scope::result), as a JSON object.
std::string result_settings(const RunOptions& options);

/// The settings that a text as of to_json() holds; those it does not, or as empty text, have their
/// defaults. Unknown settings are left out.
/// Throws  ValueError for text that is no JSON object and a value that its setting cannot have.
RunOptions from_json(const std::string& text);

}  // namespace resgrad
