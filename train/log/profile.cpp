#include "train/log/profile.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

namespace resgrad {
namespace {

std::string title(const Work& work) {
  return work.phase.empty() ? std::string(work.name) : fmt::format("{} {}", work.name, work.phase);
}

// Empty for a rate of nothing.
std::string rate(double amount, double seconds) {
  return amount > 0 && seconds > 0 ? fmt::format("{:.1f}", amount / seconds / 1e9) : "";
}

}  // namespace

Profile::Profile(std::int64_t traced_steps) : traced_steps_(traced_steps), begin_(Clock::now()) {}

void Profile::mark(std::string_view name, double bytes) {
  done({.name = name, .phase = "", .bytes = bytes});
}

void Profile::done(const Work& work) {
  const double now = seconds_since(begin_);
  const double start = std::exchange(seconds_, now);
  const auto add_to = [&](Entry& entry) {
    ++entry.calls;
    entry.seconds += now - start;
    entry.flops += work.flops;
    entry.bytes += work.bytes;
  };
  add_to(operations_[title(work)]);
  if (!work.engine.empty()) {
    add_to(convolutions_[fmt::format("{} {}, {}", work.shape, work.phase, work.engine)]);
  }
  if (steps_ >= traced_steps_) return;
  if (steps_ == static_cast<std::int64_t>(step_events_.size())) {
    // in front of its pieces, where viewers expect what encloses others
    step_events_.push_back(events_.size());
    events_.push_back(
        {.name = fmt::format("step {}", steps_ + 1), .phase = "step", .start = start});
  }
  events_.push_back({title(work), std::string(work.phase), start, now - start, work.flops,
                     work.bytes, std::string(work.engine), work.shape});
}

void Profile::end_step() {
  if (steps_ < std::ssize(step_events_)) {
    Event& step = events_[step_events_.back()];
    step.seconds = seconds_ - step.start;
  }
  ++steps_;
}

std::string Profile::rows(const std::map<std::string, Entry>& entries) const {
  std::vector<std::pair<std::string, Entry>> sorted(entries.begin(), entries.end());
  std::ranges::stable_sort(
      sorted, [](const auto& a, const auto& b) { return a.second.seconds > b.second.seconds; });
  const double n = static_cast<double>(std::max<std::int64_t>(1, steps_));
  std::string text;
  for (const auto& [name, e] : sorted) {
    text +=
        fmt::format("{:<46}{:>8.1f}{:>10.3f}{:>7.1f}%{:>10}{:>9}{:>10}\n", name,
                    static_cast<double>(e.calls) / n, 1e3 * e.seconds / n,
                    100 * e.seconds / seconds_, rate(e.flops, e.seconds), rate(e.bytes, e.seconds),
                    e.bytes > 0 ? fmt::format("{:.2f}", e.bytes / n / 1e6) : "");
  }
  return text;
}

std::string Profile::table() const {
  const auto header = [](std::string_view what) {
    return fmt::format("{:<46}{:>8}{:>10}{:>8}{:>10}{:>9}{:>10}\n", what, "calls", "ms", "share",
                       "GFLOP/s", "GB/s", "MB");
  };
  const double n = static_cast<double>(std::max<std::int64_t>(1, steps_));
  std::string text = header("per step") + rows(operations_);
  text += fmt::format("{:<46}{:>8}{:>10.3f}{:>7.1f}%\n", fmt::format("all of {} steps", steps_), "",
                      1e3 * seconds_ / n, 100.);
  if (convolutions_.empty()) return text;
  text += '\n';
  text += header("convolutions per step");
  return text + rows(convolutions_);
}

std::string Profile::trace() const {
  nlohmann::ordered_json events = nlohmann::ordered_json::array();
  for (const Event& e : events_) {
    nlohmann::ordered_json args = nlohmann::ordered_json::object();
    if (e.flops > 0) args["flops"] = e.flops;
    if (e.bytes > 0) args["bytes"] = e.bytes;
    if (!e.engine.empty()) args["engine"] = e.engine;
    if (!e.shape.empty()) args["shape"] = e.shape;
    events.push_back({{"name", e.name},
                      {"cat", e.phase.empty() ? "other" : e.phase},
                      {"ph", "X"},
                      {"ts", 1e6 * e.start},
                      {"dur", 1e6 * e.seconds},
                      {"pid", 1},
                      {"tid", 1},
                      {"args", std::move(args)}});
  }
  const nlohmann::ordered_json json = {{"displayTimeUnit", "ms"},
                                       {"traceEvents", std::move(events)}};
  return json.dump() + "\n";
}

}  // namespace resgrad
