// Statistics of a comparison of variants over seeds.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "train/log/metrics.h"

namespace resgrad {

/// The runs of one variant, one per seed, in the same order of seeds for all variants. A run
/// without epochs has come to no result: it is left out, and its pair of the differences.
struct VariantRuns {
  std::string name;
  std::vector<std::vector<EpochMetrics>> runs;
};

/// A sample of numbers, summed up.
struct Statistic {
  std::int64_t n = 0;
  double mean = 0;
  double std = 0;  ///< of the sample (n - 1); NaN for n < 2
  double ci_low = 0,
         ci_high = 0;  ///< 95 % confidence interval of the mean (Student); NaN for n < 2
};

/// Sums up `values`. All figures are NaN for an empty sample.
Statistic describe(const std::vector<double>& values);

/// The 97.5 % quantile of Student's t distribution with `df` >= 1 degrees of freedom; beyond 30 the
/// approximation of Cornish and Fisher, within 1e-4.
double student_t_975(std::int64_t df);

/// First epoch whose training loss is at most `target`, or nothing.
std::optional<std::int64_t> epochs_to_loss(const std::vector<EpochMetrics>& run, double target);

/// One line of the result: a measure of a variant, or of the paired difference of two.
struct ComparisonRow {
  std::string kind;     ///< "variant" or "difference"
  std::string name;     ///< "pre", or "pre - post"
  std::string measure;  ///< "train_loss", "test_top1" or "epochs_to_loss"
  Statistic statistic;
};

struct Comparison {
  double target_loss = 0;
  std::vector<ComparisonRow> rows;
};

/// Compares final training loss, final test accuracy (percent, by the decisive_evaluation()) and
/// epochs to reach `target_loss`
/// (default: the largest final training loss of a run, which all reach). Differences are to the
/// first variant, paired by seed; runs that do not reach the loss are left out of that measure.
/// Throws  ValueError unless all variants have the same, positive number of runs.
Comparison compare(const std::vector<VariantRuns>& variants,
                   std::optional<double> target_loss = std::nullopt);

/// What the runs of a variant cost.
struct VariantCosts {
  std::string name;
  std::int64_t parameters = 0;
  std::int64_t multiply_adds = 0;  ///< forward, of one image
  /// Means over the runs with epochs; NaN where nothing is known.
  double images_per_s = 0, minutes = 0;
};

/// Images per second of training: the mean over the epochs of which it is known, NaN if none is.
double images_per_second(const std::vector<EpochMetrics>& run);

/// Minutes of training and evaluation over all epochs; NaN unless known for each, and for no epoch.
double minutes(const std::vector<EpochMetrics>& run);

/// The costs of `variant`, whose network has these sizes.
VariantCosts costs(const VariantRuns& variant, std::int64_t parameters, std::int64_t multiply_adds);

/// A table for reading; "-" for NaN.
std::string to_table(const std::vector<VariantCosts>& costs);

/// `kind,name,measure,n,mean,std,ci_low,ci_high`, one line per row; NaN as an empty cell.
std::string to_csv(const Comparison& comparison);

/// The same as a table for reading.
std::string to_table(const Comparison& comparison);

}  // namespace resgrad
