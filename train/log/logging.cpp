#include "train/log/logging.h"

#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_color_sinks.h>

#include "core/check.h"
#include "train/log/terminal.h"

namespace resgrad {
namespace {

class ConsoleSink final : public spdlog::sinks::stdout_color_sink_mt {
 public:
  explicit ConsoleSink(std::function<void()> before_line)
      : spdlog::sinks::stdout_color_sink_mt(can_colour(stdout) ? spdlog::color_mode::always
                                                               : spdlog::color_mode::never),
        before_line_(std::move(before_line)) {}
  void log(const spdlog::details::log_msg& message) override {
    if (before_line_) before_line_();
    spdlog::sinks::stdout_color_sink_mt::log(message);
  }

 private:
  std::function<void()> before_line_;
};

}  // namespace

std::shared_ptr<spdlog::logger> make_run_logger(const std::filesystem::path& folder, bool quiet,
                                                std::function<void()> before_line) {
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
    sinks.push_back(std::make_shared<ConsoleSink>(std::move(before_line)));
    sinks.back()->set_pattern("%^%v%$");
  }
  auto logger = std::make_shared<spdlog::logger>("resgrad", sinks.begin(), sinks.end());
  logger->flush_on(spdlog::level::info);
  return logger;
}

}  // namespace resgrad
