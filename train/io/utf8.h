// Whether text is UTF-8, which JSON and TOML have to be.
#pragma once

#include <string>

namespace resgrad {

/// True when all of `text` is UTF-8: no cut or overlong sequences, no surrogates.
bool is_utf8(const std::string& text);

}  // namespace resgrad
