#include "train/log/metrics_jsonl.h"

#include <cerrno>
#include <chrono>
#include <cmath>
#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <system_error>
#include <utility>

#include "core/atomic_file.h"
#include "core/check.h"

namespace resgrad {
namespace {

namespace fs = std::filesystem;

double rounded(double value, double steps_per_unit) {
  return std::round(value * steps_per_unit) / steps_per_unit;
}

// Of a step above 2^63 the library would make a negative one.
std::optional<std::int64_t> step_of(const nlohmann::json& record) {
  if (!record.is_object() || !record.contains("step")) return std::nullopt;
  const auto& step = record["step"];
  if (!step.is_number_unsigned() || !std::in_range<std::int64_t>(step.get<std::uint64_t>())) {
    return std::nullopt;
  }
  return step.get<std::int64_t>();
}

std::string lines_of_file(const fs::path& path, std::int64_t last_step,
                          MetricsJsonl::Unreadable& unreadable) {
  if (last_step <= 0) return "";
  std::error_code error;
  const bool there = fs::exists(path, error);
  require<IoError>(!error, "metrics: {}: expected a file that can be read, got: {}", path.string(),
                   error.message());
  if (!there) return "";
  std::ifstream file(path, std::ios::binary);
  require<IoError>(file.is_open(), "metrics: {}: expected a file that can be read, got: {}",
                   path.string(), strerror(errno));
  std::string lines = lines_up_to(file, last_step, unreadable);
  require<IoError>(!file.bad(), "metrics: {}: expected a file that can be read to its end, got: {}",
                   path.string(), strerror(errno));
  return lines;
}

fs::path started(const fs::path& path, std::int64_t last_step,
                 MetricsJsonl::Unreadable& unreadable) {
  const std::string lines = lines_of_file(path, last_step, unreadable);
  write_file_atomically(path, lines);
  return path;
}

}  // namespace

std::string lines_up_to(std::istream& file, std::int64_t last_step,
                        MetricsJsonl::Unreadable& unreadable) {
  std::string kept, line;
  // without its end of line, the last one may be a part
  for (std::int64_t number = 1; std::getline(file, line) && !file.eof(); ++number) {
    const auto json = nlohmann::json::parse(line, nullptr, false);
    const std::optional<std::int64_t> step = step_of(json);
    if (!step && ++unreadable.count == 1) unreadable.first = number;
    if (step && *step <= last_step) kept += line + '\n';
  }
  return kept;
}

MetricsJsonl::MetricsJsonl(const fs::path& path, std::int64_t last_step)
    : file_("metrics", started(path, last_step, unreadable_)) {}

void MetricsJsonl::append(const StepMetrics& m) {
  const std::chrono::duration<double> now = std::chrono::system_clock::now().time_since_epoch();
  nlohmann::ordered_json json = {{"step", m.step},
                                 {"epoch", m.epoch},
                                 {"loss", m.loss},
                                 {"top1", m.top1},
                                 {"lr", m.lr},
                                 {"images_per_s", rounded(m.images_per_s, 10)},
                                 {"data_wait", rounded(m.data_wait, 1e4)}};
  if (m.grad_norm) json["grad_norm"] = *m.grad_norm;
  json["time"] = rounded(now.count(), 1e3);
  file_.append(json.dump() + '\n');
}

}  // namespace resgrad
