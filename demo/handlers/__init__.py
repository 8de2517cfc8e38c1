"""What happens when something on a page is used.

Methods of long-lived objects that share Services; each takes the visitor's Session and returns component
values.
"""
