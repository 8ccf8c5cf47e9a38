# cmake -DFROM=<header> -DTO=<copy> -P public_header.cmake: see public_headers.cmake.
file(READ ${FROM} text)
string(REGEX REPLACE "#include \"([^\"]+)\"" "#include <resgrad/\\1>" text "${text}")
file(WRITE ${TO} "${text}")
