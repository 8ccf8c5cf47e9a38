#include "train/log/terminal.h"

#include <unistd.h>

#include <atomic>

namespace resgrad {
namespace {

std::atomic<TerminalStyle> style;

}  // namespace

void set_terminal_style(TerminalStyle wanted) {
  style = wanted;
}

TerminalStyle terminal_style() {
  return style;
}

bool can_redraw(std::FILE* stream) {
  return ::isatty(::fileno(stream)) == 1 && terminal_style().redraw;
}

bool can_colour(std::FILE* stream) {
  return can_redraw(stream) && terminal_style().colour;
}

}  // namespace resgrad
