#include "train/metrics.h"

#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <cmath>
#include <cstring>
#include <fstream>
#include <span>
#include <string>
#include <string_view>

#include "core/check.h"
#include "train/atomic_file.h"

namespace resgrad {
namespace {

constexpr std::string_view kHeader =
    "epoch,step,lr,train_loss,train_top1,test_loss,test_top1,images_per_s,seconds\n";

// Columns after epoch and step. No decimals: as many as give the same double back.
struct Column {
  double EpochMetrics::*value;
  int decimals = -1;
};
constexpr std::array<Column, 7> kColumns = {{{&EpochMetrics::lr},
                                             {&EpochMetrics::train_loss},
                                             {&EpochMetrics::train_top1},
                                             {&EpochMetrics::test_loss},
                                             {&EpochMetrics::test_top1},
                                             {&EpochMetrics::images_per_s, 1},
                                             {&EpochMetrics::seconds, 3}}};

std::string format_row(const EpochMetrics& metrics) {
  std::string row = fmt::format("{},{}", metrics.epoch, metrics.step);
  for (const Column& column : kColumns) {
    const double value = metrics.*column.value;
    row += ',';
    if (std::isnan(value)) continue;
    row += column.decimals < 0 ? fmt::format("{}", value)
                               : fmt::format("{:.{}f}", value, column.decimals);
  }
  return row + '\n';
}

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  for (std::size_t end = text.find(separator); end != text.npos; end = text.find(separator)) {
    parts.push_back(text.substr(0, end));
    text.remove_prefix(end + 1);
  }
  parts.push_back(text);
  return parts;
}

struct Position {
  const std::string& name;
  std::size_t line;
};

template <class T>
T parse_number(const Position& at, std::string_view cell) {
  T value{};
  const auto [end, error] = std::from_chars(cell.data(), cell.data() + cell.size(), value);
  bool ok = error == std::errc() && end == cell.data() + cell.size();
  if constexpr (std::is_floating_point_v<T>) ok = ok && !std::isnan(value);
  require<IoError>(ok, "metrics: {}: line {}: expected a number, got \"{}\"", at.name, at.line,
                   cell);
  return value;
}

EpochMetrics parse_row(const Position& at, std::string_view row) {
  const std::vector<std::string_view> cells = split(row, ',');
  require<IoError>(cells.size() == 2 + kColumns.size(),
                   "metrics: {}: line {}: expected {} cells, got {}", at.name, at.line,
                   2 + kColumns.size(), cells.size());
  EpochMetrics metrics;
  metrics.epoch = parse_number<std::int64_t>(at, cells[0]);
  metrics.step = parse_number<std::int64_t>(at, cells[1]);
  for (std::size_t i = 0; i < kColumns.size(); ++i) {
    const std::string_view cell = cells[2 + i];
    if (!cell.empty()) metrics.*kColumns[i].value = parse_number<double>(at, cell);
  }
  return metrics;
}

}  // namespace

void Meter::add(double value, std::int64_t weight) {
  require<ValueError>(weight >= 0, "meter: weight: expected at least 0, got {}", weight);
  sum_ += value * static_cast<double>(weight);
  weight_ += weight;
}

double Meter::mean() const {
  return sum_ / static_cast<double>(weight_);
}

std::string metrics_csv(const std::vector<EpochMetrics>& epochs) {
  std::string text(kHeader);
  for (const EpochMetrics& metrics : epochs) text += format_row(metrics);
  return text;
}

std::vector<EpochMetrics> parse_metrics_csv(std::string_view text, const std::string& name) {
  require<IoError>(text.starts_with(kHeader), "metrics: {}: expected the header {}, got {}", name,
                   kHeader.substr(0, kHeader.size() - 1), text.substr(0, text.find('\n')));
  std::vector<std::string_view> lines = split(text.substr(kHeader.size()), '\n');
  require<IoError>(lines.back().empty(),
                   "metrics: {}: line {}: expected an end of line, got the end of the file", name,
                   lines.size() + 1);
  lines.pop_back();
  std::vector<EpochMetrics> rows;
  for (std::size_t i = 0; i < lines.size(); ++i) rows.push_back(parse_row({name, i + 2}, lines[i]));
  return rows;
}

void write_metrics_csv(const std::filesystem::path& path, const std::vector<EpochMetrics>& epochs) {
  const std::string text = metrics_csv(epochs);
  write_file_atomically(path, std::as_bytes(std::span(text)));
}

std::vector<EpochMetrics> read_metrics_csv(const std::filesystem::path& path) {
  std::error_code error;
  const std::uintmax_t bytes = std::filesystem::file_size(path, error);
  std::ifstream file(path, std::ios::binary);
  require<IoError>(!error && file.is_open(),
                   "metrics: {}: expected a file that can be read, got: {}", path.string(),
                   error ? error.message() : strerror(errno));
  std::string text(bytes, '\0');
  file.read(text.data(), std::ssize(text));
  require<IoError>(file.good(), "metrics: {}: expected to read {} bytes, got {}", path.string(),
                   bytes, file.gcount());
  return parse_metrics_csv(text, path.string());
}

}  // namespace resgrad
