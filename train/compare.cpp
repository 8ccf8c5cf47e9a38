#include "train/compare.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "core/check.h"

namespace resgrad {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

struct Measure {
  const char* name;
  // Of a run with epochs; nothing where it has no such value.
  std::optional<double> (*of)(const std::vector<EpochMetrics>& run, double target);
};

constexpr std::array<Measure, 3> kMeasures = {{
    {"train_loss",
     [](const auto& run, double) -> std::optional<double> { return run.back().train_loss; }},
    {"test_top1",
     [](const auto& run, double) -> std::optional<double> {
       return decisive_evaluation(run.back()).top1;
     }},
    {"epochs_to_loss",
     [](const auto& run, double target) -> std::optional<double> {
       const auto epochs = epochs_to_loss(run, target);
       return epochs ? std::optional(static_cast<double>(*epochs)) : std::nullopt;
     }},
}};

// That every run with epochs reaches; 0 without one.
double largest_final_loss(const std::vector<VariantRuns>& variants) {
  double largest = 0;
  for (const VariantRuns& variant : variants) {
    for (const auto& run : variant.runs) {
      if (!run.empty()) largest = std::fmax(largest, run.back().train_loss);
    }
  }
  return largest;
}

// Of those that are not NaN.
double mean_of_known(std::vector<double> values) {
  std::erase_if(values, [](double v) { return std::isnan(v); });
  return describe(values).mean;
}

}  // namespace

Statistic describe(const std::vector<double>& values) {
  const auto n = std::ssize(values);
  Statistic s{.n = n, .mean = kNaN, .std = kNaN, .ci_low = kNaN, .ci_high = kNaN};
  if (n == 0) return s;
  s.mean = 0;
  for (double v : values) s.mean += v / static_cast<double>(n);
  if (n < 2) return s;
  double squares = 0;
  for (double v : values) squares += (v - s.mean) * (v - s.mean);
  s.std = std::sqrt(squares / static_cast<double>(n - 1));
  const double half = student_t_975(n - 1) * s.std / std::sqrt(static_cast<double>(n));
  s.ci_low = s.mean - half;
  s.ci_high = s.mean + half;
  return s;
}

double student_t_975(std::int64_t df) {
  constexpr std::array<double, 30> kTable = {
      12.7062, 4.3027, 3.1824, 2.7764, 2.5706, 2.4469, 2.3646, 2.3060, 2.2622, 2.2281,
      2.2010,  2.1788, 2.1604, 2.1448, 2.1314, 2.1199, 2.1098, 2.1009, 2.0930, 2.0860,
      2.0796,  2.0739, 2.0687, 2.0639, 2.0595, 2.0555, 2.0518, 2.0484, 2.0452, 2.0423};
  require<ValueError>(df >= 1, "student_t: df: expected at least 1, got {}", df);
  if (df <= std::ssize(kTable)) return kTable[static_cast<std::size_t>(df - 1)];
  const double z = 1.959964, n = static_cast<double>(df);
  return z + (z * z * z + z) / (4 * n) +
         (5 * std::pow(z, 5) + 16 * std::pow(z, 3) + 3 * z) / (96 * n * n);
}

std::optional<std::int64_t> epochs_to_loss(const std::vector<EpochMetrics>& run, double target) {
  const auto found =
      std::ranges::find_if(run, [target](const EpochMetrics& m) { return m.train_loss <= target; });
  if (found == run.end()) return std::nullopt;
  return found->epoch;
}

Comparison compare(const std::vector<VariantRuns>& variants, std::optional<double> target_loss) {
  for (const VariantRuns& v : variants) {
    require<ValueError>(!v.runs.empty() && v.runs.size() == variants.front().runs.size(),
                        "compare: {}: expected {} runs, at least one, got {}", v.name,
                        variants.front().runs.size(), v.runs.size());
  }
  Comparison result;
  result.target_loss = target_loss.value_or(largest_final_loss(variants));

  const auto value = [&](const Measure& m, const VariantRuns& v, std::size_t seed) {
    return v.runs[seed].empty() ? std::nullopt : m.of(v.runs[seed], result.target_loss);
  };
  for (const Measure& measure : kMeasures) {
    for (const VariantRuns& v : variants) {
      std::vector<double> values;
      for (std::size_t seed = 0; seed < v.runs.size(); ++seed) {
        if (const auto x = value(measure, v, seed)) values.push_back(*x);
      }
      result.rows.push_back({"variant", v.name, measure.name, describe(values)});
    }
    for (std::size_t i = 1; i < variants.size(); ++i) {
      std::vector<double> differences;
      for (std::size_t seed = 0; seed < variants[i].runs.size(); ++seed) {
        const auto a = value(measure, variants[i], seed), b = value(measure, variants[0], seed);
        if (a && b) differences.push_back(*a - *b);
      }
      result.rows.push_back({"difference",
                             fmt::format("{} - {}", variants[i].name, variants[0].name),
                             measure.name, describe(differences)});
    }
  }
  return result;
}

std::string to_csv(const Comparison& comparison) {
  std::string csv = "kind,name,measure,n,mean,std,ci_low,ci_high\n";
  for (const ComparisonRow& row : comparison.rows) {
    const Statistic& s = row.statistic;
    csv += fmt::format("{},{},{},{},{},{},{},{}\n", row.kind, row.name, row.measure, s.n,
                       csv_cell(s.mean), csv_cell(s.std), csv_cell(s.ci_low), csv_cell(s.ci_high));
  }
  return csv;
}

std::string to_table(const Comparison& comparison) {
  std::size_t width = 14;
  for (const ComparisonRow& row : comparison.rows) width = std::max(width, row.name.size() + 2);
  std::string text = fmt::format("{:<16}{:<{}}{:>6}{:>12}{:>10}   {}\n", "measure", "variant",
                                 width, "seeds", "mean", "std", "95 % interval of the difference");
  const auto number = [](double v) { return std::isnan(v) ? "-" : fmt::format("{:.4f}", v); };
  for (const ComparisonRow& row : comparison.rows) {
    const Statistic& s = row.statistic;
    text += fmt::format("{:<16}{:<{}}{:>6}{:>12}{:>10}", row.measure, row.name, width, s.n,
                        number(s.mean), number(s.std));
    if (row.kind == "difference" && s.n >= 2) {
      text += fmt::format("   [{:.4f}, {:.4f}]{}", s.ci_low, s.ci_high,
                          s.ci_low > 0 || s.ci_high < 0 ? "" : " contains 0");
    }
    text += "\n";
  }
  return text + fmt::format("epochs_to_loss: first epoch with a training loss of at most {:.4f}\n",
                            comparison.target_loss);
}

double images_per_second(const std::vector<EpochMetrics>& run) {
  std::vector<double> rates;
  for (const EpochMetrics& epoch : run) rates.push_back(epoch.images_per_s);
  return mean_of_known(rates);
}

double minutes(const std::vector<EpochMetrics>& run) {
  double seconds = run.empty() ? kNaN : 0;
  for (const EpochMetrics& epoch : run) seconds += epoch.seconds;
  return seconds / 60;
}

VariantCosts costs(const VariantRuns& variant, std::int64_t parameters,
                   std::int64_t multiply_adds) {
  std::vector<double> rates, times;
  for (const auto& run : variant.runs) {
    rates.push_back(images_per_second(run));
    times.push_back(minutes(run));
  }
  return {variant.name, parameters, multiply_adds, mean_of_known(rates), mean_of_known(times)};
}

std::string to_table(const std::vector<VariantCosts>& costs) {
  std::size_t width = 16;
  for (const VariantCosts& c : costs) width = std::max(width, c.name.size() + 2);
  std::string text = fmt::format("{:<{}}{:>14}{:>18}{:>12}{:>10}\n", "variant", width, "parameters",
                                 "mult-adds/image", "images/s", "minutes");
  const auto number = [](double v) { return std::isnan(v) ? "-" : fmt::format("{:.1f}", v); };
  for (const VariantCosts& c : costs) {
    text += fmt::format("{:<{}}{:>14}{:>18}{:>12}{:>10}\n", c.name, width, c.parameters,
                        c.multiply_adds, number(c.images_per_s), number(c.minutes));
  }
  return text;
}

}  // namespace resgrad
