#include "train/log/metrics.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <fstream>
#include <span>
#include <string>
#include <string_view>

#include "core/atomic_file.h"
#include "core/check.h"
#include "core/text.h"

namespace resgrad {
namespace {

// Columns after epoch and step. No decimals: as many as give the same double back.
struct Column {
  std::string_view name;
  double EpochMetrics::*value;
  int decimals = -1;
  bool of_average = false;
};
constexpr std::array<Column, 9> kColumns = {
    {{"lr", &EpochMetrics::lr},
     {"train_loss", &EpochMetrics::train_loss},
     {"train_top1", &EpochMetrics::train_top1},
     {"test_loss", &EpochMetrics::test_loss},
     {"test_top1", &EpochMetrics::test_top1},
     {"ema_test_loss", &EpochMetrics::ema_test_loss, -1, true},
     {"ema_test_top1", &EpochMetrics::ema_test_top1, -1, true},
     {"images_per_s", &EpochMetrics::images_per_s, 1},
     {"seconds", &EpochMetrics::seconds, 3}}};

std::vector<Column> columns(bool with_average) {
  std::vector<Column> chosen(kColumns.begin(), kColumns.end());
  if (!with_average) std::erase_if(chosen, [](const Column& c) { return c.of_average; });
  return chosen;
}

std::string header(const std::vector<Column>& columns) {
  std::string text = "epoch,step";
  for (const Column& column : columns) text += fmt::format(",{}", column.name);
  return text + '\n';
}

std::string format_row(const EpochMetrics& metrics, const std::vector<Column>& columns) {
  std::string row = fmt::format("{},{}", metrics.epoch, metrics.step);
  for (const Column& column : columns) {
    row += ',' + csv_cell(metrics.*column.value, column.decimals);
  }
  return row + '\n';
}

struct Position {
  const std::string& name;
  std::size_t line;
};

template <class T>
T parse_number(const Position& at, std::string_view cell) {
  const auto value = number_in<T>(cell);
  require<IoError>(value && *value == *value,  // no NaN
                   "metrics: {}: line {}: expected a number, got \"{}\"", at.name, at.line, cell);
  return *value;
}

EpochMetrics parse_row(const Position& at, std::string_view row,
                       const std::vector<Column>& columns) {
  const std::vector<std::string_view> cells = split(row, ',');
  require<IoError>(cells.size() == 2 + columns.size(),
                   "metrics: {}: line {}: expected {} cells, got {}", at.name, at.line,
                   2 + columns.size(), cells.size());
  EpochMetrics metrics;
  metrics.epoch = parse_number<std::int64_t>(at, cells[0]);
  metrics.step = parse_number<std::int64_t>(at, cells[1]);
  for (std::size_t i = 0; i < columns.size(); ++i) {
    const std::string_view cell = cells[2 + i];
    if (!cell.empty()) metrics.*columns[i].value = parse_number<double>(at, cell);
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

EvaluatedWeights decisive_evaluation(const EpochMetrics& row) {
  if (std::isnan(row.ema_test_top1)) return {row.test_loss, row.test_top1};
  return {row.ema_test_loss, row.ema_test_top1};
}

std::string csv_cell(double value, int decimals) {
  if (std::isnan(value)) return "";
  return decimals < 0 ? fmt::format("{}", value) : fmt::format("{:.{}f}", value, decimals);
}

std::string metrics_csv(const std::vector<EpochMetrics>& epochs) {
  const bool with_average = std::ranges::any_of(epochs, [](const EpochMetrics& metrics) {
    return !std::isnan(metrics.ema_test_loss) || !std::isnan(metrics.ema_test_top1);
  });
  const std::vector<Column> chosen = columns(with_average);
  std::string text = header(chosen);
  for (const EpochMetrics& metrics : epochs) text += format_row(metrics, chosen);
  return text;
}

std::vector<EpochMetrics> parse_metrics_csv(std::string_view text, const std::string& name) {
  const bool with_average = text.starts_with(header(columns(true)));
  const std::vector<Column> chosen = columns(with_average);
  const std::string expected = header(chosen);
  require<IoError>(text.starts_with(expected), "metrics: {}: expected the header {}, got {}", name,
                   expected.substr(0, expected.size() - 1), text.substr(0, text.find('\n')));
  std::vector<std::string_view> lines = split(text.substr(expected.size()), '\n');
  require<IoError>(lines.back().empty(),
                   "metrics: {}: line {}: expected an end of line, got the end of the file", name,
                   lines.size() + 1);
  lines.pop_back();
  std::vector<EpochMetrics> rows;
  for (std::size_t i = 0; i < lines.size(); ++i)
    rows.push_back(parse_row({name, i + 2}, lines[i], chosen));
  return rows;
}

void write_metrics_csv(const std::filesystem::path& path, const std::vector<EpochMetrics>& epochs) {
  const std::string text = metrics_csv(epochs);
  write_file_atomically(path, text);
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
