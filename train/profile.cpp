#include "train/profile.h"

#include <algorithm>

#include "core/autograd/node.h"

namespace resgrad {

void Profile::enter(const Module&, const Tensor&) {
  started_.push_back(Clock::now());
}

void Profile::leave(const Module& module, const Tensor&) {
  const std::chrono::duration<double> elapsed = Clock::now() - started_.back();
  started_.pop_back();
  if (!module.children().empty()) return;  // its time is that of its children
  Entry& entry = entries_["forward " + module.class_name()];
  ++entry.calls;
  entry.seconds += elapsed.count();
}

void Profile::enter(const Node&) {
  started_.push_back(Clock::now());
}

void Profile::leave(const Node& node) {
  const std::chrono::duration<double> elapsed = Clock::now() - started_.back();
  started_.pop_back();
  Entry& entry = entries_[std::string("backward ") + node.name()];
  ++entry.calls;
  entry.seconds += elapsed.count();
}

std::string Profile::table(std::int64_t steps, double seconds) const {
  std::vector<std::pair<std::string, Entry>> rows(entries_.begin(), entries_.end());
  std::ranges::sort(
      rows, [](const auto& a, const auto& b) { return a.second.seconds > b.second.seconds; });
  Entry other{.calls = steps, .seconds = seconds};
  for (const auto& [name, entry] : rows) other.seconds -= entry.seconds;
  rows.emplace_back("other (data, loss, update)", other);
  const double n = static_cast<double>(std::max<std::int64_t>(1, steps));
  std::string text =
      fmt::format("{:<34}{:>12}{:>12}{:>8}\n", "operation", "calls/step", "ms/step", "share");
  for (const auto& [name, entry] : rows) {
    text += fmt::format("{:<34}{:>12.1f}{:>12.3f}{:>7.1f}%\n", name,
                        static_cast<double>(entry.calls) / n, 1e3 * entry.seconds / n,
                        100 * entry.seconds / seconds);
  }
  return text;
}

}  // namespace resgrad
