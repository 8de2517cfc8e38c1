"""The user study: definition, preparation, schedule, store, session, analysis. Only page.py knows gradio.

    definition ──prepare──▶ prepared ──▶ schedule ──▶ store ◀── session ◀── page (browser)
     (YAML)      (engine)   (folder)                    └──▶ export ──▶ analysis ──▶ report

Who imports whom:  page > service > session, owner > report > analysis > export > store > restore > journal
> tables; store > prepared > definition, schedule > engine.types; prepare > images; power > statistics.
"""
