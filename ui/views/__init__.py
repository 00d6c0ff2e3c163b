"""The pages of the app. Streamlit treats a folder named `pages` as page scripts, hence `views`."""
