#pragma once

#include <spdlog/logger.h>

#include <filesystem>
#include <functional>
#include <memory>

namespace resgrad {

/// A logger that writes to standard output, unless quiet, and to `folder`/train.log, appending.
/// `before_line` is called before each message on standard output, to make room for it.
/// Throws  IoError when the file cannot be opened.
std::shared_ptr<spdlog::logger> make_run_logger(const std::filesystem::path& folder, bool quiet,
                                                std::function<void()> before_line = {});

}  // namespace resgrad
