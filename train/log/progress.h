// The progress of an epoch: a line redrawn in place on a terminal, plain lines elsewhere. It writes
// to the stream that it is given and nowhere else.
#pragma once

#include <cstdint>
#include <cstdio>
#include <functional>
#include <optional>
#include <string>

#include "core/clock.h"

namespace resgrad {

/// What a progress line shows.
struct ProgressState {
  std::int64_t epoch = 0, epochs = 0;  ///< from 1
  std::int64_t step = 0, steps = 0;    ///< done and total, of the epoch
  double loss = 0;
  double top1 = 0;  ///< percent
  double lr = 0;
  double images_per_s = 0;
  double wait_share = 0;    ///< share of the time spent waiting for data, in [0, 1]
  double seconds_left = 0;  ///< of the whole run
};

struct ProgressOptions {
  std::int64_t print_freq = 50;       ///< steps between lines when the stream is not a terminal
  bool quiet = false;                 ///< write nothing
  std::optional<bool> terminal = {};  ///< default: can_redraw() of the stream
};

/// "0:07", "12:34", "1:02:03", rounded to seconds; "-:--" when negative, too large or not a number.
std::string format_duration(double seconds);

/// One line without line end or control characters:
///   epoch 3/200 [=====>    ] 123/391  loss 1.2345  top-1 56.78 %  lr 0.1  940 images/s
///   data wait 1 %  left 1:02:03
/// With a width the line has at most that many columns: the bar takes what is free, up to 30
/// columns; when space is short, first the bar goes, then data wait, lr, images/s, left, top-1 and
/// loss, then the text is cut. Width 0: no limit and no bar.
std::string format_progress(const ProgressState& state, int width = 0);

/// The line of an evaluation, with the bar that fits in the width: evaluation [====>   ] 12/79
std::string format_evaluation(std::int64_t done, std::int64_t total, int width);

class Progress {
 public:
  /// `stream` must outlive this object and is not closed.
  /// Throws  ValueError when print_freq is below 1.
  explicit Progress(std::FILE* stream, ProgressOptions options = {});
  /// As finish().
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  /// Shows `state`: on a terminal at most ten times a second (the first and the last step always),
  /// fitted to the width that it has now; else at every print_freq-th and the last step. Errors of
  /// the stream are ignored: a lost terminal must not end a training run.
  void update(const ProgressState& state);
  /// Shows the progress of an evaluation on a terminal, as often as update(), and nothing
  /// elsewhere.
  void update_evaluation(std::int64_t done, std::int64_t total);
  /// Shows the last state if it was not shown and ends the line. A later update() starts a new one.
  void finish();
  /// Takes the line off a terminal, to write something else there; the next update() draws it anew.
  void erase();

 private:
  void show();
  bool draw_is_due() const;
  void draw(const std::function<std::string(int width)>& line);

  std::FILE* stream_;
  ProgressOptions options_;
  bool terminal_;
  ProgressState state_;
  bool pending_ = false;    // state_ was not shown yet
  bool line_open_ = false;  // the terminal's cursor is behind a progress line
  Clock::time_point last_draw_;
};

}  // namespace resgrad
