#include "train/log/progress.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "core/check.h"
#include "train/log/terminal.h"

namespace resgrad {
namespace {

constexpr int kMinBar = 6, kMaxBar = 30, kDefaultWidth = 80;
constexpr std::chrono::milliseconds kDrawInterval(100);

std::string of_total(std::int64_t done, std::int64_t total) {
  return total > 0 ? fmt::format("{}/{}", done, total) : fmt::format("{}", done);
}

// "[====>   ]" in `columns` columns, brackets included.
std::string bar(std::int64_t done, std::int64_t total, int columns) {
  const auto inside = static_cast<std::size_t>(columns - 2);
  const double share =
      total > 0 ? std::clamp(static_cast<double>(done) / static_cast<double>(total), 0., 1.) : 0;
  const auto filled = static_cast<std::size_t>(share * static_cast<double>(inside));
  std::string text(filled, '=');
  if (filled < inside) text += '>';
  text.resize(inside, ' ');
  return '[' + text + ']';
}

// The parts behind the steps, in the order of the line. A part with a larger rank goes earlier.
struct Part {
  int rank;
  std::string text;
};

std::array<Part, 6> parts_of(const ProgressState& s) {
  return {{{0, fmt::format("loss {:.4f}", s.loss)},
           {1, fmt::format("top-1 {:.2f} %", s.top1)},
           {4, fmt::format("lr {:.4g}", s.lr)},
           {3, fmt::format("{:.{}f} images/s", s.images_per_s, s.images_per_s < 100 ? 1 : 0)},
           {5, fmt::format("data wait {:.0f} %", 100 * s.wait_share)},
           {2, fmt::format("left {}", format_duration(s.seconds_left))}}};
}

// The columns of the terminal behind `stream`.
int terminal_width(std::FILE* stream) {
  winsize size{};
  if (::ioctl(::fileno(stream), TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return kDefaultWidth;
  return size.ws_col;
}

}  // namespace

std::string format_duration(double seconds) {
  // 1e9 s are 31 years: an estimate from nothing
  if (!(seconds >= 0 && seconds < 1e9)) return "-:--";
  const long long s = std::llround(seconds);
  if (s < 3600) return fmt::format("{}:{:02}", s / 60, s % 60);
  return fmt::format("{}:{:02}:{:02}", s / 3600, s / 60 % 60, s % 60);
}

std::string format_progress(const ProgressState& s, int width) {
  const std::string epoch = fmt::format("epoch {}", of_total(s.epoch, s.epochs));
  const std::string steps = of_total(s.step, s.steps);
  const std::array<Part, 6> parts = parts_of(s);
  const auto line_with = [&](int ranks, int bar_columns) {
    std::string line = epoch + ' ';
    if (bar_columns > 0) line += bar(s.step, s.steps, bar_columns) + ' ';
    line += steps;
    for (const Part& part : parts) {
      if (part.rank < ranks) line += "  " + part.text;
    }
    return line;
  };
  int ranks = static_cast<int>(parts.size());
  std::string line = line_with(ranks, 0);
  if (width <= 0) return line;
  while (ranks > 0 && std::ssize(line) > width) line = line_with(--ranks, 0);
  if (std::ssize(line) > width) return line.substr(0, static_cast<std::size_t>(width));
  const int free = width - static_cast<int>(line.size()) - 1;
  return free >= kMinBar ? line_with(ranks, std::min(free, kMaxBar)) : line;
}

std::string format_evaluation(std::int64_t done, std::int64_t total, int width) {
  std::string line = "evaluation ";
  const std::string steps = of_total(done, total);
  const int free = width - static_cast<int>(line.size() + steps.size()) - 1;
  if (free >= kMinBar) line += bar(done, total, std::min(free, kMaxBar)) + ' ';
  return (line + steps).substr(0, static_cast<std::size_t>(width));
}

Progress::Progress(std::FILE* stream, ProgressOptions options)
    : stream_(stream), options_(options), terminal_(options.terminal.value_or(can_redraw(stream))) {
  require<ValueError>(options.print_freq >= 1, "progress: print_freq: expected at least 1, got {}",
                      options.print_freq);
}

Progress::~Progress() {
  try {
    finish();
  } catch (...) {  // only formatting can throw, for want of memory
  }
}

void Progress::update(const ProgressState& state) {
  if (options_.quiet) return;
  state_ = state;
  pending_ = true;
  const bool last = state.step == state.steps;
  if (!terminal_) {
    if (last || state.step % options_.print_freq == 0) show();
  } else if (last || draw_is_due()) {
    show();
  }
}

void Progress::update_evaluation(std::int64_t done, std::int64_t total) {
  if (options_.quiet || !terminal_ || !draw_is_due()) return;
  draw([&](int width) { return format_evaluation(done, total, width); });
}

bool Progress::draw_is_due() const {
  return !line_open_ || Clock::now() - last_draw_ >= kDrawInterval;
}

void Progress::finish() {
  if (pending_) show();
  if (!line_open_) return;
  line_open_ = false;
  std::fputc('\n', stream_);
  std::fflush(stream_);
}

void Progress::erase() {
  if (!line_open_) return;
  line_open_ = false;
  std::fputs("\r\x1b[K", stream_);
  std::fflush(stream_);
}

void Progress::show() {
  pending_ = false;
  if (terminal_) {
    draw([this](int width) { return format_progress(state_, width); });
  } else {
    // stdio and not fmt::print, which throws when the stream is gone
    std::fputs((format_progress(state_) + '\n').c_str(), stream_);
    std::fflush(stream_);
  }
}

void Progress::draw(const std::function<std::string(int width)>& line) {
  // one column stays free: a full line would wrap on some terminals. ESC [ K erases the rest.
  const int width = std::max(1, terminal_width(stream_) - 1);
  std::fprintf(stream_, "\r%s\x1b[K", line(width).c_str());
  std::fflush(stream_);
  last_draw_ = Clock::now();
  line_open_ = true;
}

}  // namespace resgrad
