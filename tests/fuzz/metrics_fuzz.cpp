// Records that resumption reads: metrics.csv, and metrics.jsonl with lines that end anywhere.
#include <sstream>

#include "tests/fuzz/support.h"
#include "train/log/metrics.h"
#include "train/log/metrics_jsonl.h"

using namespace resgrad;
using namespace resgrad::fuzz;

namespace {

std::string kept_of_jsonl(const std::string& text, std::int64_t last_step, std::int64_t& dropped) {
  std::istringstream file(text);
  MetricsJsonl::Unreadable unreadable;
  std::string kept = lines_up_to(file, last_step, unreadable);
  dropped = unreadable.count;
  return kept;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(as_text(data, size));
  std::vector<EpochMetrics> epochs;
  if (accepts([&] { epochs = parse_metrics_csv(text, "input"); })) {
    const std::string written = metrics_csv(epochs);
    expect(metrics_csv(parse_metrics_csv(written, "written")) == written,
           "what was written reads and writes as the same text");
    return 0;
  }
  std::int64_t dropped = 0;
  const std::string kept = kept_of_jsonl(text, 50, dropped);
  expect(kept_of_jsonl(kept, 50, dropped) == kept && dropped == 0, "what was kept is kept again");
  const std::string less = kept_of_jsonl(text, -1, dropped);
  expect(less.size() <= kept.size(), "more is kept up to a later step");
  return 0;
}
