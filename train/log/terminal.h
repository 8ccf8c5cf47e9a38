// What may be written to a stream that a person reads.
#pragma once

#include <cstdio>

namespace resgrad {

/// Whether a line of `stream` can be drawn anew: it is a terminal, and TERM is not "dumb".
bool can_redraw(std::FILE* stream);

/// Whether `stream` may have colours: can_redraw(), and NO_COLOR is not set or empty.
/// Source  https://no-color.org
bool can_colour(std::FILE* stream);

}  // namespace resgrad
