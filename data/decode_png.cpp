#include "data/decode_png.h"

#include <png.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <new>

#include "core/check.h"

namespace resgrad::data {
namespace {

// libpng leaves a failed call with longjmp, which runs no destructor: the functions that call it
// have no variable that needs one, and what they share lies here.
struct PngReader {
  std::span<const std::byte> rest;  // of the file
  std::array<char, 128> error{};
  png_structp png = nullptr;
  png_infop info = nullptr;

  explicit PngReader(std::span<const std::byte> bytes) : rest(bytes) {
    png = png_create_read_struct(PNG_LIBPNG_VER_STRING, this, on_error, on_warning);
    if (png != nullptr) info = png_create_info_struct(png);
    if (info == nullptr) {
      png_destroy_read_struct(&png, nullptr, nullptr);
      throw std::bad_alloc();
    }
    png_set_read_fn(png, this, read);
    png_set_benign_errors(png, 1);
    // Ancillary chunks say how colours are to be shown, not which samples there are.
    png_set_keep_unknown_chunks(png, PNG_HANDLE_CHUNK_NEVER, nullptr, -1);
  }
  ~PngReader() { png_destroy_read_struct(&png, &info, nullptr); }
  PngReader(const PngReader&) = delete;
  PngReader& operator=(const PngReader&) = delete;

  static void read(png_structp png, png_bytep to, std::size_t size) {
    auto* reader = static_cast<PngReader*>(png_get_io_ptr(png));
    if (reader->rest.size() < size) png_error(png, "the file is cut off");
    std::memcpy(to, reader->rest.data(), size);
    reader->rest = reader->rest.subspan(size);
  }
  [[noreturn]] static void on_error(png_structp png, png_const_charp message) {
    auto* reader = static_cast<PngReader*>(png_get_error_ptr(png));
    std::strncpy(reader->error.data(), message, reader->error.size() - 1);
    png_longjmp(png, 1);
  }
  static void on_warning(png_structp /*png*/, png_const_charp /*message*/) {}
};

bool read_header(PngReader& reader) {
  if (setjmp(png_jmpbuf(reader.png)) != 0) return false;
  png_read_info(reader.png, reader.info);
  return true;
}

// DEFLATE makes at most 1032 bytes of one: a file that claims more is damaged or malicious.
std::int64_t most_pixels(const PngReader& reader, std::int64_t file_bytes) {
  const std::int64_t bits = std::int64_t{png_get_bit_depth(reader.png, reader.info)} *
                            png_get_channels(reader.png, reader.info);
  return file_bytes * 1032 * 8 / bits;
}

bool is_grey_of_16_bits(const PngReader& reader) {
  return png_get_color_type(reader.png, reader.info) == PNG_COLOR_TYPE_GRAY &&
         png_get_bit_depth(reader.png, reader.info) == 16;
}

// Three bytes per pixel, or the two of 16-bit grey, in rows that are three bytes per pixel apart.
bool read_rows(PngReader& reader, png_bytepp rows) {
  if (setjmp(png_jmpbuf(reader.png)) != 0) return false;
  if (!is_grey_of_16_bits(reader)) {
    png_set_palette_to_rgb(reader.png);
    png_set_expand_gray_1_2_4_to_8(reader.png);
    png_set_strip_16(reader.png);
    png_set_strip_alpha(reader.png);
    png_set_gray_to_rgb(reader.png);
  }
  png_read_update_info(reader.png, reader.info);
  png_read_image(reader.png, rows);
  png_read_end(reader.png, nullptr);
  return true;
}

// In place, from the last pixel, which moves furthest.
void clip_to_8_bits(png_bytep row, std::size_t width) {
  for (std::size_t x = width; x-- > 0;) {
    const png_byte high = row[2 * x], low = row[2 * x + 1];
    std::fill_n(row + 3 * x, 3, high == 0 ? low : png_byte{255});
  }
}

}  // namespace

Image decode_png(std::span<const std::byte> bytes, const std::string& name) {
  PngReader reader(bytes);
  const auto check = [&](bool ok) {
    require<IoError>(ok, "image: {}: expected a PNG without errors, got: {}", name,
                     reader.error.data());
  };
  check(read_header(reader));
  Image image = make_image(png_get_image_height(reader.png, reader.info),
                           png_get_image_width(reader.png, reader.info), name,
                           most_pixels(reader, std::ssize(bytes)));
  const auto width = static_cast<std::size_t>(image.width);
  std::vector<png_bytep> rows;
  for (int y = 0; y < image.height; ++y) {
    rows.push_back(image.pixels.data() + static_cast<std::size_t>(y) * width * 3);
  }
  const bool clip = is_grey_of_16_bits(reader);
  check(read_rows(reader, rows.data()));
  if (clip) {
    for (unsigned char* row : rows) clip_to_8_bits(row, width);
  }
  return image;
}

}  // namespace resgrad::data
