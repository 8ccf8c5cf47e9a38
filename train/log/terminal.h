// What may be written to a stream that a person reads.
#pragma once

#include <cstdio>

namespace resgrad {

/// What terminals may be used for, in the whole process. Libraries do not read the environment; the
/// command line sets this from TERM and NO_COLOR.
struct TerminalStyle {
  bool redraw = true;  ///< lines may be drawn anew in place
  bool colour = true;
};
void set_terminal_style(TerminalStyle wanted);
TerminalStyle terminal_style();

/// Whether a line of `stream` may be drawn anew: it is a terminal, and the style has it.
bool can_redraw(std::FILE* stream);

/// Whether `stream` may have colours: it is a terminal, and the style has both.
bool can_colour(std::FILE* stream);

}  // namespace resgrad
