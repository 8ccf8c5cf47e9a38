#pragma once

namespace resgrad {

inline constexpr const char* kVersion = RESGRAD_VERSION;

}  // namespace resgrad
