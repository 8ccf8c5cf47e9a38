#pragma once

#include <spdlog/logger.h>

#include <filesystem>
#include <memory>

namespace resgrad {

/// A logger that writes to standard output, unless quiet, and to `folder`/train.log, appending.
/// Throws  IoError when the file cannot be opened.
std::shared_ptr<spdlog::logger> make_run_logger(const std::filesystem::path& folder, bool quiet);

}  // namespace resgrad
