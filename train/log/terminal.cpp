#include "train/log/terminal.h"

#include <unistd.h>

#include <atomic>

namespace resgrad {
namespace {

// apart, since some compilers need a library for atomic structs
std::atomic<bool> redraw = TerminalStyle{}.redraw, colour = TerminalStyle{}.colour;

}  // namespace

void set_terminal_style(TerminalStyle wanted) {
  redraw = wanted.redraw;
  colour = wanted.colour;
}

TerminalStyle terminal_style() {
  return {.redraw = redraw, .colour = colour};
}

bool can_redraw(std::FILE* stream) {
  return ::isatty(::fileno(stream)) == 1 && terminal_style().redraw;
}

bool can_colour(std::FILE* stream) {
  return can_redraw(stream) && terminal_style().colour;
}

}  // namespace resgrad
