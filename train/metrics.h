// Running averages of an epoch, and metrics.csv: one row an epoch. Built on atomic files only; a
// reader for comparisons and plots is here too.
#pragma once

#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <limits>
#include <memory>
#include <vector>

namespace resgrad {

/// Weighted mean of values as they come, such as the losses of batches weighted by their images.
class Meter {
 public:
  /// Throws  ValueError when weight is negative.
  void add(double value, std::int64_t weight = 1);
  void reset() { *this = Meter(); }
  /// NaN before anything was added.
  double mean() const;
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
  double train_top1 = std::numeric_limits<double>::quiet_NaN();  ///< percent
  double test_loss = std::numeric_limits<double>::quiet_NaN();
  double test_top1 = std::numeric_limits<double>::quiet_NaN();     ///< percent
  double images_per_s = std::numeric_limits<double>::quiet_NaN();  ///< of training
  double seconds = std::numeric_limits<double>::quiet_NaN();       ///< evaluation included
};

/// Writes metrics.csv: the header
///   epoch,step,lr,train_loss,train_top1,test_loss,test_top1,images_per_s,seconds
/// and a row per epoch. Values that a seed decides are printed with as many digits as give the same
/// double back, so files of equal runs differ in the last two columns only; images_per_s has one
/// decimal, seconds three. A NaN is an empty cell. Each row is in the file when append() returns.
class MetricsCsv {
 public:
  /// Creates the file, or replaces it, with the header and `earlier` rows, such as those that a
  /// resumed run keeps.  Throws  IoError when it cannot be written.
  explicit MetricsCsv(std::filesystem::path path, const std::vector<EpochMetrics>& earlier = {});
  /// Throws  IoError when the row could not be written in full; the file then ends with the row
  /// before.
  void append(const EpochMetrics& metrics);

 private:
  struct Close {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };

  std::filesystem::path path_;
  std::unique_ptr<std::FILE, Close> file_;
};

/// Reads what MetricsCsv wrote.
/// Throws  IoError that names file and line when the file is missing, its header differs, a row has
///         another number of cells, a cell is not a number, or the last line has no end.
std::vector<EpochMetrics> read_metrics_csv(const std::filesystem::path& path);

}  // namespace resgrad
