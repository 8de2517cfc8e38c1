"""The user study: definition, preparation, schedule, store, service, analysis. Only page.py knows gradio.

    definition ──prepare──▶ Prepared ──▶ schedule ──▶ store ◀── service ◀── page (browser)
     (YAML)      (engine)   (folder)                    └──▶ export ──▶ analysis ──▶ report

Who imports whom:  page > service > session, owner > report > analysis > export > store > prepared
> definition, schedule > engine.types;  prepare > prepared, images.
"""
