#include "train/predictions.h"

#include <fmt/format.h>

#include <algorithm>

namespace resgrad {
namespace {

std::string csv_quoted(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  std::string all = "\"";
  for (const char c : text) {
    if (c == '"') all += '"';
    all += c;
  }
  return all + '"';
}

}  // namespace

std::string predictions_csv(const std::vector<Prediction>& predictions,
                            const data::Dataset& dataset) {
  std::vector<Prediction> rows = predictions;
  std::ranges::sort(rows, {}, [&](const Prediction& p) { return dataset.place(p.index); });
  const auto class_name = [&](std::int64_t number) {
    return csv_quoted(dataset.class_names[static_cast<std::size_t>(number)]);
  };
  std::string csv = "index,file,label,predicted,probability,loss\n";
  for (const Prediction& p : rows) {
    const std::string file =
        dataset.files.empty() ? "" : csv_quoted(dataset.files[static_cast<std::size_t>(p.index)]);
    csv += fmt::format("{},{},{},{},{},{}\n", dataset.place(p.index), file, class_name(p.label),
                       class_name(p.predicted), p.probability, p.loss);
  }
  return csv;
}

std::vector<Prediction> top_losses(std::vector<Prediction> predictions, std::int64_t count) {
  std::ranges::sort(predictions, [](const Prediction& a, const Prediction& b) {
    return a.loss != b.loss ? a.loss > b.loss : a.index < b.index;
  });
  if (count < std::ssize(predictions)) predictions.resize(static_cast<std::size_t>(count));
  return predictions;
}

}  // namespace resgrad
