// PNG and JPEG files in memory, made by libpng and libjpeg. Errors of theirs end the tests.
#pragma once

#include <png.h>

#include <cstdio>  // jpeglib.h takes it for granted

#include <jpeglib.h>

#include <cstdlib>
#include <cstring>
#include <fstream>
#include <numeric>
#include <string>
#include <vector>

#include "core/check.h"
#include "data/image.h"

namespace resgrad::data {

using Bytes = std::vector<std::byte>;
using Pixels = std::vector<std::uint8_t>;

/// A PNG of `rows`, each a line of samples as the file holds them (big-endian for 16 bits).
inline Bytes encode_png(int width, int colour_type, int bit_depth,
                        const std::vector<std::vector<unsigned char>>& rows,
                        bool interlaced = false, const std::vector<png_color>& palette = {}) {
  png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, nullptr, nullptr, nullptr);
  png_infop info = png_create_info_struct(png);
  Bytes file;
  png_set_write_fn(
      png, &file,
      [](png_structp p, png_bytep data, png_size_t size) {
        auto* to = static_cast<Bytes*>(png_get_io_ptr(p));
        const auto* from = reinterpret_cast<const std::byte*>(data);
        to->insert(to->end(), from, from + size);
      },
      nullptr);
  png_set_IHDR(png, info, static_cast<png_uint_32>(width), static_cast<png_uint_32>(rows.size()),
               bit_depth, colour_type, interlaced ? PNG_INTERLACE_ADAM7 : PNG_INTERLACE_NONE,
               PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
  if (!palette.empty()) png_set_PLTE(png, info, palette.data(), static_cast<int>(palette.size()));
  std::vector<png_bytep> pointers;
  for (const auto& row : rows) pointers.push_back(const_cast<png_bytep>(row.data()));
  png_set_rows(png, info, pointers.data());
  png_write_png(png, info, PNG_TRANSFORM_IDENTITY, nullptr);
  png_destroy_write_struct(&png, &info);
  return file;
}

inline Bytes small_png() {
  return encode_png(2, PNG_COLOR_TYPE_RGB, 8, {{1, 2, 3, 4, 5, 6}, {7, 8, 9, 250, 251, 252}});
}

inline std::uint32_t png_checksum(const std::byte* bytes, std::size_t size) {
  std::uint32_t crc = ~0U;
  for (std::size_t i = 0; i < size; ++i) {
    crc ^= std::to_integer<std::uint32_t>(bytes[i]);
    for (int b = 0; b < 8; ++b) crc = (crc >> 1) ^ ((crc & 1U) != 0 ? 0xedb88320U : 0U);
  }
  return ~crc;
}

/// `png` with another chunk right after its first, which is 25 bytes after the 8 of the signature.
inline Bytes with_chunk(Bytes png, const std::string& type, const std::vector<int>& data) {
  Bytes chunk;
  const auto append_number = [&chunk](std::size_t value) {
    for (int shift = 24; shift >= 0; shift -= 8) {
      chunk.push_back(static_cast<std::byte>(value >> shift));
    }
  };
  append_number(data.size());
  for (const char c : type) chunk.push_back(static_cast<std::byte>(c));
  for (const int value : data) chunk.push_back(static_cast<std::byte>(value));
  append_number(png_checksum(chunk.data() + 4, chunk.size() - 4));
  png.insert(png.begin() + 33, chunk.begin(), chunk.end());
  return png;
}

/// A JPEG of quality 95; `halved`: the colours have half the resolution.
inline Bytes encode_jpeg(int width, int height, J_COLOR_SPACE colours, bool halved,
                         const std::vector<unsigned char>& pixels, bool progressive = false) {
  jpeg_error_mgr error{};
  jpeg_compress_struct jpeg{};
  jpeg.err = jpeg_std_error(&error);
  jpeg_create_compress(&jpeg);
  unsigned char* buffer = nullptr;
  unsigned long size = 0;
  jpeg_mem_dest(&jpeg, &buffer, &size);
  jpeg.image_width = static_cast<JDIMENSION>(width);
  jpeg.image_height = static_cast<JDIMENSION>(height);
  jpeg.in_color_space = colours;
  jpeg.input_components = colours == JCS_GRAYSCALE ? 1 : colours == JCS_CMYK ? 4 : 3;
  const auto components = static_cast<std::size_t>(jpeg.input_components);
  jpeg_set_defaults(&jpeg);
  jpeg_set_quality(&jpeg, 95, TRUE);
  jpeg.comp_info[0].h_samp_factor = jpeg.comp_info[0].v_samp_factor = halved ? 2 : 1;
  if (progressive) jpeg_simple_progression(&jpeg);
  jpeg_start_compress(&jpeg, TRUE);
  while (jpeg.next_scanline < jpeg.image_height) {
    auto* row =
        const_cast<JSAMPROW>(pixels.data() + jpeg.next_scanline * components * jpeg.image_width);
    jpeg_write_scanlines(&jpeg, &row, 1);
  }
  jpeg_finish_compress(&jpeg);
  const auto* begin = reinterpret_cast<const std::byte*>(buffer);
  Bytes file(begin, begin + size);
  std::free(buffer);
  jpeg_destroy_compress(&jpeg);
  return file;
}

inline Bytes small_jpeg(bool progressive = false) {
  std::vector<unsigned char> pixels(20 * 12 * 3);
  std::iota(pixels.begin(), pixels.end(), static_cast<unsigned char>(0));
  return encode_jpeg(20, 12, JCS_RGB, true, pixels, progressive);
}

inline std::string error_of(const Bytes& bytes) {
  try {
    decode_image(bytes, "x");
  } catch (const IoError& error) {
    return error.what();
  }
  return "";
}

inline void write_file(const std::filesystem::path& file, const Bytes& bytes) {
  std::ofstream(file, std::ios::binary)
      .write(reinterpret_cast<const char*>(bytes.data()), std::ssize(bytes));
}

}  // namespace resgrad::data
