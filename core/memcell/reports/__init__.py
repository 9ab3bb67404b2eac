"""Reports: a page that stands alone in one file, readable on a phone, on paper and by a screen reader.

A page is made of the data of `memcell.reports.parts` by Jinja2 templates (`memcell.reports.page`), its
figures are inline SVG (`memcell.reports.charts`, `memcell.reports.svg`), in the colours of
`memcell.reports.palette` and with the numbers of `memcell.reports.numbers`.
"""
