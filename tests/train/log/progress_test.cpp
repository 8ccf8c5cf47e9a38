#include "train/log/progress.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "core/check.h"

namespace resgrad {
namespace {

const ProgressState kState{.epoch = 3,
                           .epochs = 200,
                           .step = 123,
                           .steps = 391,
                           .loss = 1.23456,
                           .top1 = 56.789,
                           .lr = 0.1,
                           .images_per_s = 940.4,
                           .wait_share = 0.0123,
                           .seconds_left = 3723};

ProgressState at_step(std::int64_t step, std::int64_t steps) {
  ProgressState state = kState;
  state.step = step;
  state.steps = steps;
  return state;
}

struct Close {
  void operator()(std::FILE* file) const { std::fclose(file); }
};
using File = std::unique_ptr<std::FILE, Close>;

std::string contents(std::FILE* file) {
  std::fflush(file);
  std::rewind(file);
  std::string text;
  for (int c = 0; (c = std::fgetc(file)) != EOF;) text += static_cast<char>(c);
  return text;
}

std::int64_t count(const std::string& text, char c) {
  return std::ranges::count(text, c);
}

TEST_CASE("durations") {
  CHECK_EQ(format_duration(0), "0:00");
  CHECK_EQ(format_duration(7.4), "0:07");
  CHECK_EQ(format_duration(59.6), "1:00");
  CHECK_EQ(format_duration(754), "12:34");
  CHECK_EQ(format_duration(3599.7), "1:00:00");
  CHECK_EQ(format_duration(3723), "1:02:03");
  CHECK_EQ(format_duration(360000), "100:00:00");
  CHECK_EQ(format_duration(-1), "-:--");
  CHECK_EQ(format_duration(1e300), "-:--");
  CHECK_EQ(format_duration(INFINITY), "-:--");
  CHECK_EQ(format_duration(std::nan("")), "-:--");
}

TEST_CASE("a line without a limit has all parts and no bar") {
  CHECK_EQ(format_progress(kState),
           "epoch 3/200 123/391  loss 1.2346  top-1 56.79 %  lr 0.1  940 images/s  data wait 1 %  "
           "left 1:02:03");
  ProgressState slow = kState;
  slow.images_per_s = 9.87;
  slow.loss = std::nan("");
  slow.epochs = 0;
  slow.seconds_left = INFINITY;
  CHECK_EQ(format_progress(slow),
           "epoch 3 123/391  loss nan  top-1 56.79 %  lr 0.1  9.9 images/s  data wait 1 %  left "
           "-:--");
}

TEST_CASE("the bar takes the free columns") {
  CHECK_EQ(format_progress(kState, 120),
           "epoch 3/200 [=====>             ] 123/391  loss 1.2346  top-1 56.79 %  lr 0.1  940 "
           "images/s  data wait 1 %  left 1:02:03");
  CHECK_EQ(format_progress(at_step(391, 391), 200).substr(0, 43),
           "epoch 3/200 [============================] ");
  CHECK_EQ(format_progress(at_step(0, 391), 200).substr(0, 43),
           "epoch 3/200 [>                           ] ");
}

TEST_CASE("parts leave a narrow line by their rank") {
  CHECK_EQ(format_progress(kState, 104), format_progress(kState));
  CHECK_EQ(format_progress(kState, 89),
           "epoch 3/200 123/391  loss 1.2346  top-1 56.79 %  lr 0.1  940 images/s  left 1:02:03");
  CHECK_EQ(format_progress(kState, 76),
           "epoch 3/200 123/391  loss 1.2346  top-1 56.79 %  940 images/s  left 1:02:03");
  CHECK_EQ(format_progress(kState, 50), "epoch 3/200 123/391  loss 1.2346  top-1 56.79 %");
  CHECK_EQ(format_progress(kState, 35), "epoch 3/200 123/391  loss 1.2346");
  CHECK_EQ(format_progress(kState, 19), "epoch 3/200 123/391");
  CHECK_EQ(format_progress(kState, 10), "epoch 3/20");
}

TEST_CASE("a line never exceeds its width and has no control characters") {
  for (int width = 1; width < 200; ++width) {
    for (const ProgressState& state :
         {kState, at_step(0, 0), at_step(5, 3), at_step(391, 391), at_step(0, 1)}) {
      const std::string line = format_progress(state, width);
      CHECK_LE(std::ssize(line), width);
      CHECK(std::ranges::all_of(line, [](char c) { return c >= ' ' && c <= '~'; }));
    }
  }
}

TEST_CASE("without a terminal there is a plain line every print_freq steps and for the last") {
  const File file(std::tmpfile());
  {
    Progress progress(file.get(), {.print_freq = 4});
    for (std::int64_t step = 1; step <= 10; ++step) progress.update(at_step(step, 10));
    progress.finish();
    progress.finish();
  }
  CHECK_EQ(contents(file.get()), format_progress(at_step(4, 10)) + '\n' +
                                     format_progress(at_step(8, 10)) + '\n' +
                                     format_progress(at_step(10, 10)) + '\n');
}

TEST_CASE("an epoch that is cut short shows its last state") {
  const File file(std::tmpfile());
  {
    Progress progress(file.get(), {.print_freq = 4});
    for (std::int64_t step = 1; step <= 6; ++step) progress.update(at_step(step, 10));
  }
  CHECK_EQ(contents(file.get()),
           format_progress(at_step(4, 10)) + '\n' + format_progress(at_step(6, 10)) + '\n');
}

TEST_CASE("quiet writes nothing") {
  for (bool terminal : {false, true}) {
    const File file(std::tmpfile());
    {
      Progress progress(file.get(), {.print_freq = 1, .quiet = true, .terminal = terminal});
      for (std::int64_t step = 1; step <= 10; ++step) progress.update(at_step(step, 10));
    }
    CHECK_EQ(contents(file.get()), "");
  }
}

TEST_CASE("on a terminal one line is redrawn, ten times a second at most") {
  const File file(std::tmpfile());
  {
    Progress progress(file.get(), {.terminal = true});
    const auto start = std::chrono::steady_clock::now();
    for (std::int64_t step = 1; step <= 1000; ++step) progress.update(at_step(step, 1001));
    // the first step, and one for each tenth of a second that the loop took
    const auto draws =
        1 + (std::chrono::steady_clock::now() - start) / std::chrono::milliseconds(100);
    CHECK_LE(count(contents(file.get()), '\r'), draws);
    std::this_thread::sleep_for(std::chrono::milliseconds(110));
    const std::int64_t before = count(contents(file.get()), '\r');
    progress.update(at_step(1000, 1001));
    CHECK_EQ(count(contents(file.get()), '\r'), before + 1);
    progress.update(at_step(1001, 1001));
    CHECK_EQ(count(contents(file.get()), '\r'), before + 2);
    CHECK_EQ(count(contents(file.get()), '\n'), 0);
  }
  const std::string text = contents(file.get());
  CHECK_EQ(count(text, '\n'), 1);
  // no size to ask for: 80 columns, one of them free
  CHECK(text.ends_with('\r' + format_progress(at_step(1001, 1001), 79) + "\x1b[K\n"));
}

TEST_CASE("the width is that of the terminal at each draw") {
  const int controller = ::posix_openpt(O_RDWR | O_NOCTTY);
  REQUIRE(controller >= 0);
  REQUIRE_EQ(::grantpt(controller), 0);
  REQUIRE_EQ(::unlockpt(controller), 0);
  const File terminal(std::fopen(::ptsname(controller), "r+e"));
  REQUIRE(terminal != nullptr);
  const auto drawn = [&] {
    char buffer[4096];
    const ssize_t n = ::read(controller, buffer, sizeof buffer);
    REQUIRE(n > 0);
    return std::string(buffer, static_cast<std::size_t>(n));
  };
  const auto set_width = [&](unsigned short columns) {
    const winsize size{.ws_row = 24, .ws_col = columns, .ws_xpixel = 0, .ws_ypixel = 0};
    REQUIRE_EQ(::ioctl(controller, TIOCSWINSZ, &size), 0);
  };
  Progress progress(terminal.get());
  for (const int columns : {120, 40}) {
    set_width(static_cast<unsigned short>(columns));
    progress.update(at_step(10, 10));
    CHECK_EQ(drawn(), '\r' + format_progress(at_step(10, 10), columns - 1) + "\x1b[K");
  }
  progress.finish();
  ::close(controller);
}

TEST_CASE("a line that was erased leaves the terminal free and comes back") {
  const File file(std::tmpfile());
  Progress progress(file.get(), {.terminal = true});
  progress.erase();
  CHECK_EQ(contents(file.get()), "");
  progress.update(at_step(1, 10));
  const std::string line = '\r' + format_progress(at_step(1, 10), 79) + "\x1b[K";
  progress.erase();
  progress.erase();
  CHECK_EQ(contents(file.get()), line + "\r\x1b[K");
  progress.update(at_step(1, 10));
  CHECK_EQ(contents(file.get()), line + "\r\x1b[K" + line);
}

TEST_CASE("an evaluation has a line of its own, fitted to the width") {
  CHECK_EQ(format_evaluation(3, 12, 40), "evaluation [=====>                ] 3/12");
  CHECK_EQ(format_evaluation(12, 12, 79), "evaluation [============================] 12/12");
  CHECK_EQ(format_evaluation(3, 12, 16), "evaluation 3/12");
  for (int width = 1; width < 100; ++width) {
    CHECK_LE(std::ssize(format_evaluation(5, 79, width)), width);
  }
}

TEST_CASE("an evaluation is shown on a terminal alone, and gives way to what is logged") {
  for (const bool terminal : {false, true}) {
    const File file(std::tmpfile());
    Progress progress(file.get(), {.terminal = terminal});
    progress.update_evaluation(1, 12);
    progress.update_evaluation(2, 12);  // too soon after the other
    progress.erase();
    CHECK_EQ(contents(file.get()),
             terminal ? '\r' + format_evaluation(1, 12, 79) + "\x1b[K\r\x1b[K" : "");
  }
  const File file(std::tmpfile());
  Progress quiet(file.get(), {.quiet = true, .terminal = true});
  quiet.update_evaluation(1, 12);
  CHECK_EQ(contents(file.get()), "");
}

TEST_CASE("a stream that fails does not stop the run") {
  const File full(std::fopen("/dev/full", "we"));
  if (full == nullptr) return;
  Progress progress(full.get(), {.print_freq = 1});
  CHECK_NOTHROW(progress.update(at_step(1, 2)));
  CHECK_NOTHROW(progress.finish());
}

TEST_CASE("print_freq below 1 is an error") {
  CHECK_THROWS_AS(Progress(stderr, {.print_freq = 0}), ValueError);
}

}  // namespace
}  // namespace resgrad
