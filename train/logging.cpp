#include "train/logging.h"

#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_color_sinks.h>

#include "core/check.h"

namespace resgrad {

std::shared_ptr<spdlog::logger> make_run_logger(const std::filesystem::path& folder, bool quiet) {
  const std::string file = (folder / "train.log").string();
  std::vector<spdlog::sink_ptr> sinks;
  try {
    sinks.push_back(std::make_shared<spdlog::sinks::basic_file_sink_mt>(file));
  } catch (const spdlog::spdlog_ex& error) {
    throw IoError(
        fmt::format("log: {}: expected a file that can be written, got: {}", file, error.what()));
  }
  sinks.front()->set_pattern("%Y-%m-%d %H:%M:%S %l %v");
  if (!quiet) {
    sinks.push_back(std::make_shared<spdlog::sinks::stdout_color_sink_mt>());
    sinks.back()->set_pattern("%^%v%$");
  }
  auto logger = std::make_shared<spdlog::logger>("resgrad", sinks.begin(), sinks.end());
  logger->flush_on(spdlog::level::info);
  return logger;
}

}  // namespace resgrad
