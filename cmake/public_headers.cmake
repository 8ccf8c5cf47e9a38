# The public headers as users see them, in ${PROJECT_BINARY_DIR}/include/resgrad and once installed:
# where "core/shape.h" stands in the repository, <resgrad/core/shape.h> stands there, so that no header
# of theirs can be taken for one of ours.
file(GLOB_RECURSE RESGRAD_PUBLIC_HEADERS CONFIGURE_DEPENDS RELATIVE ${PROJECT_SOURCE_DIR}
     core/*.h nn/*.h models/*.h data/*.h train/*.h)
# Not for users: the command line, vector code, and what needs xtensor.
list(FILTER RESGRAD_PUBLIC_HEADERS EXCLUDE
     REGEX "^train/cli/|_isa\\.h$|^core/xtensor\\.h$")

set(public_headers ${RESGRAD_PUBLIC_HEADERS})
list(TRANSFORM public_headers PREPEND ${PROJECT_BINARY_DIR}/include/resgrad/)
foreach(header public IN ZIP_LISTS RESGRAD_PUBLIC_HEADERS public_headers)
  get_filename_component(folder ${public} DIRECTORY)
  file(MAKE_DIRECTORY ${folder})
  add_custom_command(OUTPUT ${public}
                     COMMAND sed "s,#include \"\\(.*\\)\",#include <resgrad/\\1>,"
                             ${PROJECT_SOURCE_DIR}/${header} > ${public}
                     DEPENDS ${header}
                     COMMENT "Public header ${header}" VERBATIM)
endforeach()
add_custom_target(resgrad_public_headers DEPENDS ${public_headers})
