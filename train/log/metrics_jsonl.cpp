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

#include "core/check.h"
#include "train/io/atomic_file.h"

namespace resgrad {
namespace {

namespace fs = std::filesystem;

double rounded(double value, double steps_per_unit) {
  return std::round(value * steps_per_unit) / steps_per_unit;
}

// The lines of `path` that stay when it goes on behind `last_step`; none of a file that is missing.
std::string lines_up_to(const fs::path& path, std::int64_t last_step,
                        MetricsJsonl::Unreadable& unreadable) {
  std::error_code error;
  if (last_step <= 0 || !fs::exists(path, error)) return "";
  std::ifstream file(path, std::ios::binary);
  require<IoError>(file.is_open(), "metrics: {}: expected a file that can be read, got: {}",
                   path.string(), strerror(errno));
  std::string kept, line;
  // without its end of line, the last one may be a part
  for (std::int64_t number = 1; std::getline(file, line) && !file.eof(); ++number) {
    const auto json = nlohmann::json::parse(line, nullptr, false);
    if (!json.is_object() || !json.contains("step") || !json["step"].is_number_integer()) {
      if (++unreadable.count == 1) unreadable.first = number;
    } else if (json["step"].get<std::int64_t>() <= last_step) {
      kept += line + '\n';
    }
  }
  return kept;
}

fs::path started(const fs::path& path, std::int64_t last_step,
                 MetricsJsonl::Unreadable& unreadable) {
  const std::string lines = lines_up_to(path, last_step, unreadable);
  write_file_atomically(path, std::as_bytes(std::span(lines)));
  return path;
}

}  // namespace

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
