# Headers that most sources include are parsed once for all of them, and sources of the layers that say
# TOGETHER compiled as few. Sources still include what they use: with RESGRAD_PRECOMPILE=OFF (and so for ccache
# without sloppiness) they must compile as well, each by itself.
# Code that is compiled per instruction set (core/kernels) takes no part: it may include no such header.
option(RESGRAD_PRECOMPILE "Precompile headers, and compile sources of a layer together" ON)
if(NOT RESGRAD_PRECOMPILE)
  set(CMAKE_DISABLE_PRECOMPILE_HEADERS ON)
endif()

# For targets from core upwards.
set(RESGRAD_COMMON_HEADERS
    <algorithm> <array> <charconv> <chrono> <cmath> <cstddef> <cstdint> <cstring> <filesystem>
    <fstream> <functional> <limits> <map> <memory> <numeric> <optional> <set> <span> <sstream>
    <stdexcept> <string> <string_view> <utility> <vector> <fmt/format.h> <fmt/ranges.h>)
