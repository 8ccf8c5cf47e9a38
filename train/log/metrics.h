// Running averages of an epoch, and metrics.csv: one row an epoch. Built on atomic files only; a
// reader for comparisons and plots is here too.
#pragma once

#include <cstdint>
#include <filesystem>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

namespace resgrad {

/// Weighted mean of values as they come, such as the losses of batches weighted by their images.
class Meter {
 public:
  Meter() = default;
  /// One that goes on from the sum and weight of another.
  Meter(double sum, std::int64_t weight) : sum_(sum), weight_(weight) {}
  /// Throws  ValueError when weight is negative.
  void add(double value, std::int64_t weight = 1);
  void reset() { *this = Meter(); }
  /// NaN before anything was added.
  double mean() const;
  /// Sum of value * weight.
  double sum() const { return sum_; }
  /// Sum of the weights.
  std::int64_t weight() const { return weight_; }

 private:
  double sum_ = 0;
  std::int64_t weight_ = 0;
};

/// Results of one epoch. NaN stands for a value that was not measured.
struct EpochMetrics {
  std::int64_t epoch = 0;                                ///< from 1
  std::int64_t step = 0;                                 ///< updates since the start of training
  double lr = std::numeric_limits<double>::quiet_NaN();  ///< of the last update
  double train_loss = std::numeric_limits<double>::quiet_NaN();
  /// Percent. With mixup and cutmix a label that is predicted counts with its share of the image.
  double train_top1 = std::numeric_limits<double>::quiet_NaN();
  double test_loss = std::numeric_limits<double>::quiet_NaN();
  double test_top1 = std::numeric_limits<double>::quiet_NaN();  ///< percent
  // the same of the averaged weights
  double ema_test_loss = std::numeric_limits<double>::quiet_NaN();
  double ema_test_top1 = std::numeric_limits<double>::quiet_NaN();
  double images_per_s = std::numeric_limits<double>::quiet_NaN();  ///< of training
  double seconds = std::numeric_limits<double>::quiet_NaN();       ///< evaluation included
};

/// Loss and accuracy (percent) of an evaluation.
struct EvaluatedWeights {
  double loss, top1;
};

/// The evaluation by which the best is chosen and runs are compared: that of the averaged weights
/// where there are any, as they are what such a run is for.
EvaluatedWeights decisive_evaluation(const EpochMetrics& row);

/// A number as a cell of a table: with so many `decimals`, or else with as many digits as give the
/// same double back; empty for NaN.
std::string csv_cell(double value, int decimals = -1);

/// The text of metrics.csv: the header
///   epoch,step,lr,train_loss,train_top1,test_loss,test_top1,images_per_s,seconds
/// and a row per epoch; with ema_test_loss,ema_test_top1 behind test_top1 when an epoch has them.
/// Values that a seed decides are printed with as many digits as give the same double back, so
/// files of equal runs differ in the last two columns only; images_per_s has one decimal, seconds
/// three. A NaN is an empty cell.
std::string metrics_csv(const std::vector<EpochMetrics>& epochs);

/// Reads such a text; `name` stands for it in messages.
/// Throws  IoError that names file and line when the header differs, a row has another number of
///         cells, a cell is not a number, or the last line has no end.
std::vector<EpochMetrics> parse_metrics_csv(std::string_view text, const std::string& name);

/// Writes the text as a file, atomically: a few hundred rows at most, so all of them each time.
/// Throws  IoError.
void write_metrics_csv(const std::filesystem::path& path, const std::vector<EpochMetrics>& epochs);

/// Reads such a file.
/// Throws  IoError as parse_metrics_csv() and when it cannot be read.
std::vector<EpochMetrics> read_metrics_csv(const std::filesystem::path& path);

}  // namespace resgrad
