/* A tiny bitmap font for headings of pictures: 5x7 pixels a letter. */
#ifndef MX_REPORT_FONT_H
#define MX_REPORT_FONT_H

#define MX_FONT_WIDTH  5
#define MX_FONT_HEIGHT 7

/* Row bits (bit 4 leftmost) of a letter (always lower case), digit or sign; all zero if the font lacks it. */
const unsigned char *mx_font_glyph(char c);

#endif
